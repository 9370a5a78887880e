"""A payment provider to try things with: ``python -m service.checkout.fake_provider --port 9000``.

A process of its own that keeps its promise (one key, one authorisation) and forgets everything when
it ends. It fails on demand: ``POST /faults`` takes a list of faults and replaces those before;
``GET /state`` tells what it did. It has no password: it listens on this machine alone.
"""

import argparse
import json
import threading
import uuid
from dataclasses import asdict, dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

MAX_BODY_BYTES = 64 * 1024
# A request that is held ends by itself: nobody waits longer for a provider.
MAX_HOLD_S = 120.0


@dataclass(slots=True)
class Fault:
    """What goes wrong with the next ``times`` requests of one kind.

    ``when`` says whether before or after the work is done. ``hold`` waits until the faults are
    replaced, ``error`` answers 500, ``drop`` closes the connection without an answer, ``decline``
    refuses to pay, and ``forget`` treats a known key as new: a provider that breaks its promise.
    """

    at: Literal["authorise", "void"]
    do: Literal["hold", "error", "drop", "decline", "forget"]
    when: Literal["before", "after"] = "before"
    times: int = 1_000_000


@dataclass(slots=True)
class Authorisation:
    """Money that was set aside once."""

    id: str
    key: str
    order_id: str
    amount: str
    voided: bool = False


@dataclass(slots=True)
class Provider:
    """All that it knows; one lock guards it."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    authorisations: list[Authorisation] = field(default_factory=list)
    declined: set[str] = field(default_factory=set)
    faults: list[Fault] = field(default_factory=list)
    held: int = 0
    replaced: threading.Event = field(default_factory=threading.Event)

    def fault(self, at: str, do: set[str], when: str) -> Fault | None:
        """The first fault that is meant, counted down."""
        with self.lock:
            for each in self.faults:
                if each.at == at and each.do in do and each.when == when and each.times > 0:
                    each.times -= 1
                    return each
        return None

    def replace_faults(self, faults: list[Fault]) -> None:
        with self.lock:
            self.faults = faults
            self.replaced.set()
            self.replaced = threading.Event()

    def hold(self) -> None:
        with self.lock:
            self.held += 1
            replaced = self.replaced
        replaced.wait(MAX_HOLD_S)
        with self.lock:
            self.held -= 1

    def authorise(self, key: str, order_id: str, amount: str) -> tuple[int, dict[str, Any]]:
        is_declined = self.fault("authorise", {"decline"}, "before") is not None
        is_forgetful = self.fault("authorise", {"forget"}, "before") is not None
        with self.lock:
            known = [] if is_forgetful else [each for each in self.authorisations if each.key == key]
            if not known and (is_declined or key in self.declined):
                self.declined.add(key)
                return 402, {"status": "declined"}
            if not known:
                known.append(Authorisation(f"auth-{uuid.uuid4()}", key, order_id, amount))
                self.authorisations += known
            if (known[0].order_id, known[0].amount) != (order_id, amount):
                return 409, {"status": "key_conflict"}
            return 201, {"status": "authorised", "id": known[0].id}

    def void(self, key: str) -> tuple[int, dict[str, Any]]:
        with self.lock:
            known = [each for each in self.authorisations if each.key == key]
            for each in known:
                each.voided = True
            return (200, {"status": "voided"}) if known else (404, {"status": "unknown_key"})

    def state(self) -> dict[str, Any]:
        with self.lock:
            return {"authorisations": [asdict(each) for each in self.authorisations], "held": self.held}


class _Handler(BaseHTTPRequestHandler):
    server: "Server"
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/state":
            self._answer(200, self.server.provider.state())
        else:
            self._answer(404, {"status": "not_found"})

    def do_POST(self) -> None:
        length = min(int(self.headers.get("Content-Length", 0)), MAX_BODY_BYTES)
        try:
            body = json.loads(self.rfile.read(length) or b"{}")
            self._serve(body)
        except (KeyError, TypeError, ValueError) as error:
            self._answer(400, {"status": "bad_request", "detail": repr(error)})

    def _serve(self, body: Any) -> None:
        provider, key = self.server.provider, self.headers.get("Idempotency-Key", "")
        if self.path == "/faults":
            provider.replace_faults([Fault(**each) for each in body])
            self._answer(200, {"status": "ok"})
        elif self.path in ("/authorisations", "/voids") and not key:
            self._answer(400, {"status": "missing_key"})
        elif self.path == "/authorisations":
            if self._goes_on("authorise", "before"):
                answer = provider.authorise(key, body["order_id"], body["amount"])
                if self._goes_on("authorise", "after"):
                    self._answer(*answer)
        elif self.path == "/voids":
            if self._goes_on("void", "before"):
                answer = provider.void(key)
                if self._goes_on("void", "after"):
                    self._answer(*answer)
        else:
            self._answer(404, {"status": "not_found"})

    def _goes_on(self, at: str, when: str) -> bool:
        """Let a fault happen; whether the request is to be served all the same."""
        fault = self.server.provider.fault(at, {"hold", "error", "drop"}, when)
        if fault is None:
            return True
        match fault.do:
            case "hold":
                self.server.provider.hold()
                return True
            case "error":
                self._answer(500, {"status": "error"})
            case _:
                self.close_connection = True
        return False

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class Server(ThreadingHTTPServer):
    """Serves one provider; a thread for each connection."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.provider = Provider()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed takes no answer: that is what this server is for."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m service.checkout.fake_provider")
    parser.add_argument("--port", type=int, required=True)
    with Server(parser.parse_args().port) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
