"""Ports on 127.0.0.1."""

import contextlib
import secrets
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path

from tuning.stack.errors import StackError

HOST = "127.0.0.1"
# Below the ports that the kernel gives to clients (ip(7)): a connection that comes and goes would
# take a port between its choice and the start of its server.
_FIRST_PORT = 15_000
_FIRST_CLIENT_PORT = 32_768
_TRIES = 100


def free_port() -> int:
    """A port that nothing uses now."""
    with socket.socket() as probe:
        return _bind_free(probe)


def claim(parts: Iterable[str], wanted: Mapping[str, int]) -> dict[str, int]:
    """A port of its own for each part: the one that was asked for, or a free one.

    Raises:
        StackError: Something listens on a port that was asked for, or two parts were given the same.
    """
    ports: dict[str, int] = {}
    with contextlib.ExitStack() as held:  # all of them at a time, so that none is found twice
        for part, port in wanted.items():
            for other in (name for name, given in ports.items() if given == port):
                raise StackError(f"port {port} is given to both {other} and {part}: choose another for one of them")
            _bind_wanted(held.enter_context(socket.socket()), part, port)
            ports[part] = port
        for part in parts:
            if part not in ports:
                ports[part] = _bind_free(held.enter_context(socket.socket()))
    return ports


def _bind_wanted(probe: socket.socket, part: str, port: int) -> None:
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        probe.bind((HOST, port))
    except OSError as error:
        raise StackError(
            f"port {port} for {part} is taken ({error.strerror}): end what uses it, or choose another with "
            f"--port {part}=N"
        ) from error


def _bind_free(probe: socket.socket) -> int:
    candidates = range(_FIRST_PORT, max(_first_client_port(), _FIRST_PORT + 1))
    for _ in range(_TRIES):
        with contextlib.suppress(OSError):
            probe.bind((HOST, secrets.choice(candidates)))
            break
    else:
        probe.bind((HOST, 0))
    port: int = probe.getsockname()[1]
    return port


def _first_client_port() -> int:
    try:
        return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except (OSError, ValueError):
        return _FIRST_CLIENT_PORT
