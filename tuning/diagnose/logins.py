"""Which request is the login: it is named, or looks like one and was made about once by each user."""

import re

from tuning.diagnose.figures import Request
from tuning.diagnose.run import Run

_LOOKS_SO = re.compile(r"log[-_ ]?in|sign[-_ ]?in|auth|token|session", re.IGNORECASE)
# Ours: some users are asked again, and a token that ends is renewed.
MOST_PER_USER = 1.1


def login_of(run: Run) -> Request | None:
    """The login, or None where no request, or more than one, can be it."""
    if run.stated.login is not None:
        named = [each for each in run.load.requests if run.stated.login in (each.name, each.name.partition(" ")[2])]
        return named[0] if named else None
    found = [each for each in run.load.requests if _LOOKS_SO.search(each.name) and _is_once(run, each)]
    return found[0] if len(found) == 1 else None


def _is_once(run: Run, request: Request) -> bool:
    return run.lacks("users") or request.count <= MOST_PER_USER * run.users
