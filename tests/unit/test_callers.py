"""Whose address is counted: what a trusted proxy added is believed, and nothing before it."""

import pytest

from service.accounts.callers import address
from service.config.addresses import is_public, networks

PROXIES = networks("10.0.0.0/8, 2001:db8:1::/48")


@pytest.mark.parametrize(
    ("remote", "forwarded", "found"),
    [
        ("203.0.113.7", "", "203.0.113.7"),
        # Who is no proxy says what it likes.
        ("203.0.113.7", "198.51.100.1", "203.0.113.7"),
        ("203.0.113.7", "10.0.0.1", "203.0.113.7"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        # The left part came with the request.
        ("10.0.0.1", "127.0.0.1, 198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "127.0.0.1, 198.51.100.1, 10.2.3.4", "198.51.100.1"),
        ("10.0.0.1", "198.51.100.1, nonsense", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1, nonsense, 10.2.3.4", "10.2.3.4"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", ", ,", "10.0.0.1"),
        ("2001:db8:1::5", "198.51.100.1", "198.51.100.1"),
        ("::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"),
        # Within its network an IPv6 customer takes any address.
        ("2001:db8:2:3:aaaa::1", "", "2001:db8:2:3::/64"),
        ("2001:db8:2:3:bbbb::1", "", "2001:db8:2:3::/64"),
        ("2001:db8:2:4:aaaa::1", "", "2001:db8:2:4::/64"),
        ("::ffff:203.0.113.7", "", "203.0.113.7"),
        ("", "198.51.100.1", "unix"),
    ],
)
def test_address_is_the_nearest_that_is_no_proxy(remote: str, forwarded: str, found: str) -> None:
    assert address(remote, forwarded, PROXIES, is_unix_trusted=False) == found


def test_unix_socket_is_trusted_where_the_setting_says_so() -> None:
    assert address("", "127.0.0.1, 198.51.100.1", (), is_unix_trusted=True) == "198.51.100.1"
    assert address("203.0.113.7", "198.51.100.1", (), is_unix_trusted=True) == "203.0.113.7"


@pytest.mark.parametrize(
    ("bind", "found"),
    [
        ("127.0.0.1:8000", False),
        ("127.0.0.2", False),
        ("localhost:8000", False),
        ("[::1]:8000", False),
        ("unix:/run/hotrow.sock", False),
        ("fd://3", False),
        ("0.0.0.0:8000", True),
        ("[::]:8000", True),
        (":8000", True),
        ("192.168.0.1:80", True),
        ("shop.example:80", True),
    ],
)
def test_bind_is_public_or_not(bind: str, found: bool) -> None:
    assert is_public(bind) is found
