"""gunicorn's configuration: ``gunicorn -c python:service.config.gunicorn service.config.wsgi``.

Nothing here may import psycopg or Django: psycopg chooses how it waits when it is imported, and
gevent patches only later, in each worker.
"""

import math
import os
from typing import Any

from service.config.environment import WorkerClass, environment
from service.front import drain
from service.metrics import slots

env = environment()

# A stop is HOTROW_DRAIN_S of serving on; then what is inside ends, which begins nothing after its deadline, and
# connections that are kept alive end by themselves. With the defaults it fits into the 30 s that a container gets.
LEAST_GRACEFUL_TIMEOUT_S = 20
KEEPALIVE_S = 5
# For what was sent to the database just before the deadline, and a connection that is kept alive after that.
LAST_WORK_S = 8

_WORKERS = {
    WorkerClass.GEVENT: "service.front.gevent_worker.GeventWorker",
    WorkerClass.GTHREAD: "service.front.thread_worker.ThreadWorker",
    WorkerClass.SYNC: "service.front.sync_worker.SyncWorker",
}

bind = [env.bind, env.metrics_bind] if env.metrics_bind else [env.bind]
worker_class = _WORKERS[env.worker_class]
workers = env.worker_count
threads = env.threads if env.worker_class is WorkerClass.GTHREAD else 1
worker_connections = env.worker_connections
max_requests = env.max_requests
max_requests_jitter = env.max_requests // 10
timeout = 30
graceful_timeout = max(LEAST_GRACEFUL_TIMEOUT_S, math.ceil(env.drain_s + env.request_deadline_s + LAST_WORK_S))
keepalive = KEEPALIVE_S
backlog = 2048
preload_app = False
control_socket_disable = True
errorlog = "-"
loglevel = env.log_level.value
logger_class = "service.config.gunicorn_log.Lines"


def on_starting(server: Any) -> None:
    if env.metrics_bind:
        slots.make_directory()


def on_exit(server: Any) -> None:
    if env.metrics_bind:
        slots.remove_directory()


def pre_fork(server: Any, worker: Any) -> None:
    worker.slot = slots.free_slot(each.slot for each in server.WORKERS.values())


def post_fork(server: Any, worker: Any) -> None:
    os.environ[slots.SLOT] = str(worker.slot)


def child_exit(server: Any, worker: Any) -> None:
    if env.metrics_bind:
        slots.forget(worker.slot)


def post_worker_init(worker: Any) -> None:
    """Stop a gevent worker whose psycopg would block the hub for the length of each query."""
    if env.worker_class is WorkerClass.GEVENT:
        from psycopg import waiting  # noqa: PLC0415  # not before gevent has patched this worker

        if waiting.wait is getattr(waiting, "wait_c", None):
            raise SystemExit("psycopg was imported before gevent patched the worker: remove that import")
    # With a worker class of the command line nobody is told, and a reload is gunicorn's own.
    if isinstance(worker, drain.Draining):
        worker.serves()


def on_reload(server: Any) -> None:
    """Tell the workers that are now replaced that they are."""
    drain.reloaded()


def worker_exit(server: Any, worker: Any) -> None:
    """Close the pools of a worker that has served its last request."""
    from service.db.pooled import close_pools  # noqa: PLC0415  # imports Django

    close_pools()
