"""Celery's application: ``celery -A service.config.worker worker`` and ``... beat``.

Everything that is worth keeping is in the database, and each task looks there for what is due. So a
message that is lost costs a second, one that comes twice nothing, and there are no results.
"""

import os
from typing import Any

from celery import Celery, signals
from django.db import close_old_connections

from service.config.environment import ConnectionMode, environment

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "service.config.settings")
# They would import every URL of the API; the web process and `manage check` do that.
os.environ.setdefault("CELERY_SKIP_CHECKS", "1")

# The longest task is a relay or a run of checkouts: 10 s, and an answer of the provider on top.
TASK_TIME_LIMIT_S = 120
# Longer than any task, or a message that is being worked on would be given to a second worker.
VISIBILITY_TIMEOUT_S = 2 * TASK_TIME_LIMIT_S
# A buyer sees a checkout begin, and a due hold end, within this.
TICK_S = 1.0
# A tick that nobody took is worthless: the one after it does the same. Without this a day without a
# worker would leave 250,000 of them.
TICK_EXPIRES_S = 10
PURGE_INTERVAL_S = 3600.0
BROKER_TIMEOUT_S = 5

_broker = environment().broker_url
if _broker is None:
    raise SystemExit("The worker and beat need HOTROW_BROKER_URL, such as redis://127.0.0.1:6379/1")
if environment().connection_mode is ConnectionMode.POOL:
    raise SystemExit(
        "A process of the worker has one task at a time, and no use for a pool: "
        "set HOTROW_CONNECTION_MODE=persistent and HOTROW_WORKER_CLASS=sync"
    )

app = Celery("hotrow", broker=_broker.get_secret_value())
app.conf.update(
    accept_content=["json"],
    task_serializer="json",
    task_ignore_result=True,
    # At least once: a message is gone when its task has ended, not when it began.
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    task_time_limit=TASK_TIME_LIMIT_S,
    # A slow payment provider fills its own queue: give it workers of its own with --queues.
    task_default_queue="stock",
    task_routes={"checkout.*": {"queue": "checkout"}},
    task_create_missing_queues=True,
    broker_transport_options={
        "visibility_timeout": VISIBILITY_TIMEOUT_S,
        "socket_timeout": BROKER_TIMEOUT_S,
        "socket_connect_timeout": BROKER_TIMEOUT_S,
    },
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    worker_hijack_root_logger=False,
    # In memory: an interval that began when beat did needs no file.
    beat_scheduler="celery.beat.Scheduler",
    # Its longest sleep; the default of 5 minutes serves schedules that are changed from elsewhere.
    beat_max_loop_interval=TICK_S,
    beat_schedule={
        name: {"task": name, "schedule": TICK_S, "options": {"expires": TICK_EXPIRES_S}}
        for name in ("stock.sweep", "stock.relay", "checkout.run_due")
    }
    | {"stock.purge": {"task": "stock.purge", "schedule": PURGE_INTERVAL_S, "options": {"expires": PURGE_INTERVAL_S}}},
)
# Celery closes the connection before and after each task, unless it is told to keep it for so many.
app.conf["CELERY_DB_REUSE_MAX"] = 2**31
app.autodiscover_tasks()


@signals.task_prerun.connect  # type: ignore[untyped-decorator]  # Celery has no types
def _renew_connections(**_: Any) -> None:
    """Do before a task what Django does before a request: drop what is old, and look again whether the rest lives."""
    close_old_connections()
