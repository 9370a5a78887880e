"""Whose address a request comes from, past the proxies that are trusted and no further.

``X-Forwarded-For`` is written by whoever sends the request; only what a trusted proxy added at its
end is known. Its entries are read from the right, and the first that is no trusted proxy is the caller.
"""

import ipaddress
from functools import cache

from django.http import HttpRequest

from service.config.addresses import UNIX, Network, is_in, networks, parsed, words
from service.config.environment import environment

# The smallest network that one IPv6 customer gets (RFC 6177): within it addresses are free to take.
IPV6_PREFIX = 64


def caller(request: HttpRequest) -> str:
    """The address of who sent the request; of IPv6 its network."""
    trusted, is_unix_trusted = _trusted(environment().trusted_proxies)
    return address(
        request.META.get("REMOTE_ADDR", ""), request.META.get("HTTP_X_FORWARDED_FOR", ""), trusted, is_unix_trusted
    )


def address(remote: str, forwarded: str, trusted: tuple[Network, ...], is_unix_trusted: bool) -> str:
    """The rightmost address that is no trusted proxy's; an empty ``remote`` is a Unix socket."""
    nearest = _network(remote) or UNIX
    if not (is_in(remote, trusted) if remote else is_unix_trusted):
        return nearest
    for entry in reversed(words(forwarded)):
        name = _network(entry)
        if name is None:
            # A proxy wrote something that is no address: what is left of it is anybody's.
            return nearest
        if not is_in(entry, trusted):
            return name
        nearest = name
    return nearest


@cache
def _trusted(text: str) -> tuple[tuple[Network, ...], bool]:
    return networks(text), UNIX in words(text)


def _network(text: str) -> str | None:
    found = parsed(text)
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((found, IPV6_PREFIX), strict=False))
    return str(found) if found else None
