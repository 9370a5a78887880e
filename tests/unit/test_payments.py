"""The payment port over HTTP, against the fake provider in a thread."""

import threading
from collections.abc import Iterator
from decimal import Decimal
from uuid import uuid4

import pytest

from service.checkout.fake_provider import Fault, Server
from service.checkout.payments import Authorised, Declined, HttpPayments, PaymentUnknown

TIMEOUT_S = 0.3
AMOUNT = Decimal("12.50")


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(0) as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.provider.replace_faults([])
        made.shutdown()
        thread.join()


@pytest.fixture
def port(server: Server) -> HttpPayments:
    return HttpPayments(f"http://127.0.0.1:{server.server_port}/", TIMEOUT_S)


def test_authorise_answers_one_authorisation_for_one_key(server: Server, port: HttpPayments) -> None:
    order = uuid4()
    first, again = (port.authorise("k", order, AMOUNT) for _ in range(2))
    assert isinstance(first, Authorised)
    assert first == again
    assert port.authorise("another", order, AMOUNT) != first
    assert [each.amount for each in server.provider.authorisations] == ["12.50"] * 2


def test_decline_is_kept_for_the_key(server: Server, port: HttpPayments) -> None:
    server.provider.replace_faults([Fault("authorise", "decline", times=1)])
    order = uuid4()
    assert [port.authorise("k", order, AMOUNT) for _ in range(2)] == [Declined()] * 2


def test_void_twice_is_a_void(server: Server, port: HttpPayments) -> None:
    port.authorise("k", uuid4(), AMOUNT)
    for _ in range(2):
        port.void("k")
    assert [each.voided for each in server.provider.authorisations] == [True]


@pytest.mark.parametrize(("do", "when"), [("error", "before"), ("drop", "after"), ("hold", "before")])
def test_answer_that_does_not_come_is_unknown(server: Server, port: HttpPayments, do: str, when: str) -> None:
    port.authorise("k", uuid4(), AMOUNT)
    faults = [Fault(at, do, when) for at in ("authorise", "void")]  # type: ignore[arg-type]
    server.provider.replace_faults(faults)
    with pytest.raises(PaymentUnknown):
        port.authorise("k", uuid4(), AMOUNT)
    with pytest.raises(PaymentUnknown):
        port.void("k")


def test_answer_that_nobody_agreed_on_is_unknown(port: HttpPayments) -> None:
    port.authorise("k", uuid4(), AMOUNT)
    with pytest.raises(PaymentUnknown, match="answered 409"):
        port.authorise("k", uuid4(), AMOUNT)
    with pytest.raises(PaymentUnknown, match="answered 404"):
        port.void("never seen")


def test_provider_that_is_away_is_unknown() -> None:
    with Server(0) as ended:
        gone = ended.server_port
    with pytest.raises(PaymentUnknown, match="refused"):
        HttpPayments(f"http://127.0.0.1:{gone}", TIMEOUT_S).void("k")


@pytest.mark.parametrize("url", ["ftp://127.0.0.1", "127.0.0.1:9000", "http://"])
def test_address_of_no_provider_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="write http://host:port"):
        HttpPayments(url, TIMEOUT_S)
