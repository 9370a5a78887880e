"""gunicorn's configuration: ``gunicorn -c python:service.config.gunicorn service.config.wsgi``.

Nothing here may import psycopg or Django: psycopg chooses how it waits when it is imported, and
gevent patches only later, in each worker.
"""

from typing import Any

from service.config.environment import WorkerClass, environment

env = environment()

bind = env.bind
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
loglevel = "info"


def post_worker_init(worker: Any) -> None:
    """Stop a gevent worker whose psycopg would block the hub for the length of each query."""
    if env.worker_class is not WorkerClass.GEVENT:
        return
    from psycopg import waiting  # noqa: PLC0415  # not before gevent has patched this worker

    if waiting.wait is getattr(waiting, "wait_c", None):
        raise SystemExit("psycopg was imported before gevent patched the worker: remove that import")
