"""The WSGI entry point, loaded by each gunicorn worker (after gevent has patched it)."""

import os
from typing import Any

import django

from service.config.environment import environment
from service.config.handler import Handler
from service.front.door import Door
from service.front.limit import limit

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "service.config.settings")
env = environment()
django.setup(set_prefix=False)
application: Any = Door(
    Handler(),
    limit=limit(),
    deadline_s=env.request_deadline_s,
    trusted_proxies=env.trusted_proxies,
)
if env.metrics_bind:
    # Both need Django's settings.
    from service.ops import collector
    from service.ops.metrics_listener import beside

    collector.start()
    application = beside(application, env.metrics_bind)
