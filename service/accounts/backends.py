"""The admin's login, under the limits of the API's and with its hashing."""

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from service.accounts.hashing import TooManyLogins
from service.accounts.limiter import TooManyTries
from service.accounts.login import log_in
from service.accounts.models import User


class LimitedBackend(ModelBackend):
    """Django's permissions of users, with a login that cannot be tried without end."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> User | None:
        if request is None or username is None or password is None:
            return None
        try:
            return log_in(request, username, password)
        except (TooManyTries, TooManyLogins) as error:
            # Django asks no other backend then, and the form says that it was refused.
            raise PermissionDenied from error
