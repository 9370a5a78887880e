"""gunicorn's own lines in the form of all others; its access log stays off, the service writes one."""

from typing import Any

from gunicorn.glogging import Logger

from service.config.environment import environment
from service.logs.lines import formatter


class Lines(Logger):  # type: ignore[misc]  # gunicorn has no types
    """Not ``logconfig_dict``: with it gunicorn makes up an access line for each request, wanted or not."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        for handler in self.error_log.handlers:
            handler.setFormatter(formatter(environment().log_format.value)())
