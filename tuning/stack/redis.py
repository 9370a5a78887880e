"""Redis as a cache and as the broker of tasks: nothing is kept on disk."""

import socket
from pathlib import Path

from tuning.stack.accounts import Account
from tuning.stack.binaries import Program
from tuning.stack.children import Child, spawn
from tuning.stack.ports import HOST
from tuning.stack.secrets import write_private

SETTINGS = Path(__file__).with_name("redis.conf")


def start(program: Program, directory: Path, log: Path, account: Account, *, port: int, password: str) -> Child:
    """Start Redis and wait until it answers.

    Raises:
        StackError: It does not start.
    """
    account.own(directory)
    configuration = directory / "redis.conf"
    lines = [
        f"bind {HOST}",
        f"port {port}",
        f"requirepass {password}",
        f"dir {directory}",
    ]
    write_private(configuration, "\n".join(lines) + "\n" + SETTINGS.read_text())
    account.give(configuration)
    child = spawn("redis", [str(program.path), str(configuration)], log=log, account=account)
    try:
        child.wait_until(lambda: _answers(port))
    except BaseException:
        child.stop()
        raise
    return child


def _answers(port: int) -> bool:
    """Whether a Redis listens: it refuses a PING without the password, in its own words."""
    try:
        with socket.create_connection((HOST, port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith((b"-NOAUTH", b"+PONG"))
    except OSError:
        return False
