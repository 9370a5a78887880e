"""Run Django's management commands: ``python -m service.manage <command>``."""

import os
import sys

from django.core.management import execute_from_command_line


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "service.config.settings")
    execute_from_command_line([f"{sys.executable} -m service.manage", *sys.argv[1:]])


if __name__ == "__main__":
    main()
