"""An answer that says what became of the request: for the access log, no client sees it."""

from django.http import HttpResponse


class Told(HttpResponse):
    """``outcome`` is a problem's code, or what became of a reservation."""

    outcome: str
