"""Log in: limits first, then the hash; the API and the admin come this way."""

from django.http import HttpRequest

from service.accounts.callers import caller
from service.accounts.hashing import authenticate
from service.accounts.limiter import limiter
from service.accounts.models import User


def log_in(request: HttpRequest, username: str, password: str) -> User | None:
    """Return the active user of that name and password, or None.

    Raises:
        TooManyTries: The caller's address or the account has tried too often; nothing was hashed.
        TooManyLogins: The queue of hashes is full.
    """
    limits = limiter()
    # The address first: one that is refused does not use up an account's tries.
    limits.admit("address", caller(request))
    limits.admit("account", username)
    user = authenticate(username, password)
    if user is not None:
        limits.forget("account", username)
    return user
