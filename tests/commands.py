"""Management commands of the running stack, each in a process of its own."""

import os
import subprocess
import sys

from tuning.stack.stack import Stack


def start(stack: Stack, *arguments: str, settings: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Start a command with the service's own settings, but for those given."""
    service = {**stack.service_env(), **(settings or {})}
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("HOTROW_", "PG"))}
    return subprocess.Popen(
        [sys.executable, "-m", "service.manage", *arguments],
        env=kept | {f"HOTROW_{name}": value for name, value in service.items()},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def run(
    stack: Stack, *arguments: str, stdin: bytes = b"", settings: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    with start(stack, *arguments, settings=settings) as process:
        try:
            out, err = process.communicate(stdin, timeout=90)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(process.args, process.returncode, out.decode(), err.decode())
