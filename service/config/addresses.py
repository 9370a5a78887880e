"""Network addresses as settings name them."""

import ipaddress
from collections.abc import Sequence

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
# A proxy on this machine that speaks over a Unix socket has no address.
UNIX = "unix"


def is_public(bind: str) -> bool:
    """Whether gunicorn's ``bind`` can be reached from another machine."""
    if bind.startswith(("unix:", "fd://")):
        return False
    host = bind.rpartition(":")[0].strip("[]") if ":" in bind else bind
    if host == "localhost":
        return False
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return True  # a name, or nothing, which is every interface


def port(bind: str) -> int | None:
    """The port of gunicorn's ``bind``; None for a socket that has none."""
    if bind.startswith(("unix:", "fd://")):
        return None
    text = bind.rpartition(":")[2]
    return int(text) if text.isdecimal() and 0 < int(text) < 65536 else None


def networks(text: str) -> tuple[Network, ...]:
    """Read addresses and networks in CIDR form, separated by commas; ``unix`` is passed over.

    Raises:
        ValueError: One is neither.
    """
    found = []
    for word in words(text):
        if word == UNIX:
            continue
        try:
            found.append(ipaddress.ip_network(word))
        except ValueError:
            raise ValueError(f"{word} is neither an address nor a network such as 10.0.0.0/8, nor {UNIX}") from None
    return tuple(found)


def words(text: str) -> Sequence[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def parsed(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address, without the form in which IPv6 writes those of IPv4; None for what is none."""
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def is_in(text: str, among: Sequence[Network]) -> bool:
    """Whether it is an address of one of these networks."""
    found = parsed(text)
    return found is not None and any(found in network for network in among)
