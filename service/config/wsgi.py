"""The WSGI entry point, loaded by each gunicorn worker (after gevent has patched it)."""

import os

from django.core.wsgi import get_wsgi_application

from service.config.environment import environment
from service.front.door import Door
from service.front.limit import limit

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "service.config.settings")
env = environment()
application = Door(
    get_wsgi_application(),
    limit=limit(),
    deadline_s=env.request_deadline_s,
    trusted_proxies=env.trusted_proxies,
)
