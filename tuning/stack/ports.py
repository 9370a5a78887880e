"""Ports on 127.0.0.1."""

import socket

from tuning.stack.errors import StackError

HOST = "127.0.0.1"


def free_port() -> int:
    """A port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def claim(part: str, wanted: int | None) -> int:
    """The port that was asked for, or a free one.

    Raises:
        StackError: Something listens on the port that was asked for.
    """
    if wanted is None:
        return free_port()
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, wanted))
        except OSError as error:
            raise StackError(
                f"port {wanted} for {part} is taken ({error.strerror}): end what uses it, or choose another with "
                f"--port {part}=N"
            ) from error
    return wanted
