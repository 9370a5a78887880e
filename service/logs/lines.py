"""One form for all lines: of the service, Django, gunicorn and Celery, as JSON or for people.

The standard library's, because gunicorn's master reads this: structlog imports asyncio, before gevent
has patched anything, and its formatter took 43 us for a line, this one 15 (ADR 25).
"""

import json
import logging
from datetime import UTC, datetime
from typing import Any

from service.logs import request_id

# What every record has; the rest was given as ``extra``.
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
# gunicorn's and Celery's, which would be written a second time, in colours, or are whole objects.
_PASSED_OVER = frozenset({"color_message", "data", "request", "server_time", "status_code"})


class JSONLines(logging.Formatter):
    """A line is one JSON object: ``at``, ``level``, ``logger``, ``event``, what the call added, and ``error``."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": _at(record, "milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        if (request := request_id.current.get()) is not None:
            line["request_id"] = request
        line |= _extra(record)
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class PlainLines(logging.Formatter):
    """A line for people: time, level, logger, message, and what the call added as ``name=value``."""

    def format(self, record: logging.LogRecord) -> str:
        extra = _extra(record)
        if (request := request_id.current.get()) is not None:
            extra.setdefault("request_id", request)
        added = "".join(f" {name}={value}" for name, value in extra.items())
        line = f"{_at(record, 'milliseconds')} {record.levelname} {record.name} {record.getMessage()}{added}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def formatter(style: str) -> type[logging.Formatter]:
    return JSONLines if style == "json" else PlainLines


def configuration(style: str, level: str) -> dict[str, Any]:
    """The ``dictConfig`` of a process.

    Args:
        style: ``json`` or ``console``.
        level: Of everything that has no level of its own below.
    """
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": formatter(style)}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": level.upper()},
        # Django writes a line for every 4xx; a refusal is an answer here, not an event.
        "loggers": {
            "django.request": {"level": "ERROR"},
            # Celery writes two lines for every task, and three are sent every second.
            "celery.worker.strategy": {"level": "WARNING"},
            "celery.app.trace": {"level": "WARNING"},
        },
    }


def _extra(record: logging.LogRecord) -> dict[str, Any]:
    return {name: value for name, value in vars(record).items() if name not in _OWN and name not in _PASSED_OVER}


def _at(record: logging.LogRecord, timespec: str) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec=timespec)
