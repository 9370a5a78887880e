"""Django's admin as an application: its tables are the same in every process, its pages are not."""

from django.contrib.admin import autodiscover
from django.contrib.admin.apps import SimpleAdminConfig

from service.config.environment import environment


class AdminConfig(SimpleAdminConfig):
    """Loads and checks the pages only where they are served."""

    def ready(self) -> None:
        if environment().admin:
            super().ready()
            autodiscover()
