"""gunicorn's configuration: ``gunicorn -c python:service.config.gunicorn service.config.wsgi``.

Nothing here may import psycopg or Django: psycopg chooses how it waits when it is imported, and
gevent patches only later, in each worker.
"""

import os
from typing import Any

from service.config.environment import WorkerClass, environment
from service.metrics import slots

env = environment()

bind = [env.bind, env.metrics_bind] if env.metrics_bind else [env.bind]
worker_class = env.worker_class.value
workers = env.worker_count
threads = env.threads if env.worker_class is WorkerClass.GTHREAD else 1
worker_connections = env.worker_connections
max_requests = env.max_requests
max_requests_jitter = env.max_requests // 10
timeout = 30
graceful_timeout = 20
keepalive = 5
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
    if env.worker_class is not WorkerClass.GEVENT:
        return
    from psycopg import waiting  # noqa: PLC0415  # not before gevent has patched this worker

    if waiting.wait is getattr(waiting, "wait_c", None):
        raise SystemExit("psycopg was imported before gevent patched the worker: remove that import")
