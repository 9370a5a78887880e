"""What a service says of itself at /metrics, in Prometheus's text format."""

import math
import re
import urllib.error
import urllib.request
from http.client import HTTPException
from typing import Any

from tuning.observe.sampling.source import Seen, Unwatchable
from tuning.timeline import SERVICE

NAME = "service"
MAX_BYTES = 8 * 2**20
# A service without a free slot answers late, and that is when its numbers are wanted (Prometheus waits 10 s too).
SCRAPE_TIMEOUT_S = 10.0
_SAMPLE = re.compile(r"^([a-zA-Z_:][\w:]*(?:\{.*\})?)[ \t]+(\S+)(?:[ \t]+-?\d+)?[ \t]*$", re.MULTILINE)


class Service:
    """Asks the address; whoever answers something else is no metrics page."""

    name = NAME

    def __init__(self, url: str, interval_s: float) -> None:
        self.interval_s = interval_s
        self.facts: dict[str, Any] = {}
        self.partly: str | None = None
        self._url = url

    def open(self) -> None:
        if not self._url.startswith(("http://", "https://")):
            raise Unwatchable(f"{self._url} is no http address")
        self._values()

    def sample(self, *, is_edge: bool) -> Seen:
        yield SERVICE, {"values": self._values()}

    def close(self) -> None:
        """Each request has a connection of its own."""

    def interrupt(self) -> None:
        """The request has a limit of its own."""

    def _values(self) -> dict[str, float]:
        try:
            with urllib.request.urlopen(self._url, timeout=SCRAPE_TIMEOUT_S) as answer:  # noqa: S310  # see open()
                text = answer.read(MAX_BYTES).decode(errors="replace")
        except urllib.error.HTTPError as error:
            raise Unwatchable(f"{self._url} answers {error.code}") from error
        except urllib.error.URLError as error:
            raise Unwatchable(f"{self._url} cannot be reached: {error.reason}") from error
        except HTTPException as error:
            raise Unwatchable(f"{self._url} does not speak HTTP: {error}") from error
        values = {name: float(value) for name, value in _SAMPLE.findall(text)}
        if not values:
            raise Unwatchable(f"{self._url} shows no metrics in Prometheus's text format")
        return {name: value for name, value in values.items() if math.isfinite(value)}
