"""The payment port: what a checkout asks of a provider, and the provider that speaks HTTP.

Every request names a key that the checkout derives from its order. A provider keeps the promise
that one key is one authorisation, so a request whose answer was lost is sent again.
"""

import http.client
import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol
from urllib.parse import urlsplit
from uuid import UUID

# An answer is a few hundred bytes; what is longer is none of ours.
MAX_ANSWER_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Authorised:
    """The money is set aside; ``payment_ref`` is the provider's name for it."""

    payment_ref: str


@dataclass(frozen=True, slots=True)
class Declined:
    """The provider will not pay, and never will under this key."""


class PaymentUnknown(Exception):
    """The provider's answer did not come or cannot be understood: ask again with the same key."""


class PaymentPort(Protocol):
    """What a checkout needs of a provider."""

    def authorise(self, key: str, order_id: UUID, amount: Decimal) -> Authorised | Declined:
        """Set the amount aside, once for each key.

        Raises:
            PaymentUnknown: Whether it was done is not known.
        """
        ...

    def void(self, key: str) -> None:
        """Give back what was set aside under this key; again changes nothing.

        Raises:
            PaymentUnknown: Whether it was done is not known.
        """
        ...


class HttpPayments:
    """A provider that is reached over HTTP.

    Args:
        url: Where it answers; a path in it is kept.
        timeout_s: How long to wait for a connection, and for each part of an answer.
    """

    def __init__(self, url: str, timeout_s: float) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or parts.hostname is None:
            raise ValueError(f"{url} is no address of a payment provider: write http://host:port")
        self._connect = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._host, self._port, self._path = parts.hostname, parts.port, parts.path.rstrip("/")
        self._timeout_s = timeout_s

    def authorise(self, key: str, order_id: UUID, amount: Decimal) -> Authorised | Declined:
        status, body = self._post("/authorisations", key, {"order_id": str(order_id), "amount": str(amount)})
        match status, body:
            case ((200 | 201), {"status": "authorised", "id": str(payment_ref)}) if payment_ref:
                return Authorised(payment_ref)
            case 402, {"status": "declined"}:
                return Declined()
        raise PaymentUnknown(f"the provider answered {status} to the authorisation")

    def void(self, key: str) -> None:
        match self._post("/voids", key, {}):
            case 200, {"status": "voided"}:
                return
            case status, _:
                raise PaymentUnknown(f"the provider answered {status} to the void")

    def _post(self, path: str, key: str, body: dict[str, str]) -> tuple[int, Any]:
        connection = self._connect(self._host, self._port, timeout=self._timeout_s)
        try:
            headers = {"Content-Type": "application/json", "Idempotency-Key": key}
            connection.request("POST", self._path + path, json.dumps(body), headers)
            response = connection.getresponse()
            return response.status, json.loads(response.read(MAX_ANSWER_BYTES))
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise PaymentUnknown(f"no answer from the provider: {error or type(error).__name__}") from error
        finally:
            connection.close()
