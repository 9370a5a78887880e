"""Django's settings, all of them derived from :mod:`service.config.environment`."""

from typing import Any

from service.config import admin
from service.config.environment import CacheBackend, ConnectionMode, Hasher, WorkerClass, environment
from service.db.databases import databases
from service.logs import lines

env = environment()

DEBUG = env.debug
SECRET_KEY = env.secret_key.get_secret_value()
ALLOWED_HOSTS = [host.strip() for host in env.allowed_hosts.split(",") if host.strip()]

HAS_ADMIN = env.admin

INSTALLED_APPS = [
    "service.ops.admin_app.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "service.accounts",
    "service.catalog",
    "service.stock",
    "service.checkout",
]
API_MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
]
MIDDLEWARE = ["service.ops.observed.Observed", *(admin.MIDDLEWARE if HAS_ADMIN else API_MIDDLEWARE)]
HAS_API_DOCS = env.api_docs
if env.capture_directory is not None:
    MIDDLEWARE.insert(1, "service.capture.middleware.Capture")
    HOTROW_CAPTURE = {
        "DIRECTORY": env.capture_directory,
        "SHARE": env.capture_share,
        # Their parameters have no names, and some are hashes of refresh tokens.
        "REDACT_CALLS": ["open_session", "refresh_session", "end_session"],
    }
APPEND_SLASH = False
ROOT_URLCONF = "service.config.urls"
WSGI_APPLICATION = "service.config.wsgi.application"
AUTH_USER_MODEL = "accounts.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"
DATA_UPLOAD_MAX_MEMORY_SIZE = 64 * 1024

DATABASES = databases(env)
DATABASE_ROUTERS = ["service.db.router.Router"]
# For `hotrow chain`: the lane holds one connection of a worker, whatever its requests are.
HOTROW_CHAIN_CONNECTIONS = {"lane": 1}
if env.replica_url is not None and env.connection_mode is ConnectionMode.PERSISTENT:
    # And each worker has a thread that looks at both servers (service/db/replica.py).
    _threads = env.threads if env.worker_class is WorkerClass.GTHREAD else 1
    HOTROW_CHAIN_CONNECTIONS |= {"default": _threads + 1, "replica": _threads + 1}

_DJANGO_HASHER = "django.contrib.auth.hashers.PBKDF2PasswordHasher"
_ARGON2ID_HASHER = "service.accounts.hashers.Argon2idPasswordHasher"
PASSWORD_HASHERS = (
    [_ARGON2ID_HASHER, _DJANGO_HASHER] if env.hasher is Hasher.ARGON2ID else [_DJANGO_HASHER, _ARGON2ID_HASHER]
)

AUTHENTICATION_BACKENDS = ["service.accounts.backends.LimitedBackend"]

# What follows, to the cache, is the admin's alone: the API keeps no session and takes no cookie.
TEMPLATES = admin.TEMPLATES
STATIC_URL = "/static/"
# Straight from the packages: there is no step that collects files, and none that can be forgotten.
WHITENOISE_USE_FINDERS = True
# A browser sends these cookies over TLS, or to this machine, and nowhere but to the admin.
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not DEBUG
SESSION_COOKIE_PATH = CSRF_COOKIE_PATH = "/admin"
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Strict"
SESSION_COOKIE_AGE = 8 * 3600  # a working day
CSRF_COOKIE_HTTPONLY = True
CSRF_TRUSTED_ORIGINS = [origin.strip() for origin in env.admin_origins.split(",") if origin.strip()]
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
_VALIDATORS = "django.contrib.auth.password_validation"
AUTH_PASSWORD_VALIDATORS: list[dict[str, Any]] = [
    {"NAME": f"{_VALIDATORS}.UserAttributeSimilarityValidator"},
    {"NAME": f"{_VALIDATORS}.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": f"{_VALIDATORS}.CommonPasswordValidator"},
]

# A stalled Redis may cost a request this much, once (service/cache); redis-py would wait 5 s for each call.
REDIS_TIMEOUT_S = 0.1


def _cache() -> dict[str, Any]:
    match env.cache:
        case CacheBackend.NONE:
            return {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}
        case CacheBackend.MEMORY:
            return {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
        case CacheBackend.REDIS:
            assert env.redis_url is not None
            return {
                "BACKEND": "django_redis.cache.RedisCache",
                "LOCATION": env.redis_url.get_secret_value(),
                "OPTIONS": {
                    # JSON and not pickle: who can write to Redis must not run code here.
                    "SERIALIZER": "django_redis.serializers.json.JSONSerializer",
                    "SOCKET_CONNECT_TIMEOUT": REDIS_TIMEOUT_S,
                    "SOCKET_TIMEOUT": REDIS_TIMEOUT_S,
                    "IGNORE_EXCEPTIONS": True,
                },
            }


CACHES = {"default": _cache()}

# Of `check --deploy`: the proxy that ends TLS redirects to it and sends HSTS; without the admin there
# is neither a page to put into a frame nor a cookie to forge a request with.
SILENCED_SYSTEM_CHECKS = ["security.W004", "security.W008"]
if not HAS_ADMIN:
    SILENCED_SYSTEM_CHECKS += ["security.W002", "security.W003"]
DJANGO_REDIS_LOG_IGNORED_EXCEPTIONS = True

LOGGING = lines.configuration(env.log_format.value, env.log_level.value)
