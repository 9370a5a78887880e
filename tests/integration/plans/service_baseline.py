"""The service's own statements, and the plans of them that were accepted.

``python -m tests.integration.plans.service_baseline`` accepts those of today: look at the difference before it is
committed.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from psycopg.conninfo import make_conninfo

from tests.integration.plans.service_server import served
from tests.integration.plans.service_statements import INNER
from tests.unit.command import ROOT, Done, hotrow
from tuning.stack import postgres
from tuning.stack.stack import Stack

BASELINE = ROOT / "tests/data/service_plans.json"


def statements(stack: Stack, folder: Path) -> list[str]:
    """Files of captured statements: those of requests, of background work, and of what functions run inside."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("HOTROW_", "DJANGO_"))}
    env |= {f"HOTROW_{name}": value for name, value in stack.service_env().items()}
    done = subprocess.run(
        [sys.executable, "-m", "tests.integration.plans.service_traffic", str(folder)],
        cwd=ROOT, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    lines = (json.dumps({"v": 1, "route": each.function, "sql": each.sql}) + "\n" for each in INNER)
    (folder / "inner.jsonl").write_text("".join(lines))
    return sorted(str(path) for path in folder.glob("*.jsonl"))


def plans(command: str, stack: Stack, *arguments: str) -> Done:
    """``hotrow plans`` on the service's database; FOR UPDATE counts as a write, and is rolled back."""
    dsn = make_conninfo(stack.superuser, dbname=postgres.DATABASE)
    return hotrow("plans", command, "--dsn", dsn, "--execute-writes", *arguments)


def main() -> None:
    with served() as stack, tempfile.TemporaryDirectory() as folder:
        done = plans("save", stack, "--out", str(BASELINE), *statements(stack, Path(folder)))
    sys.stdout.write(done.stdout)
    sys.stderr.write(done.stderr)
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
