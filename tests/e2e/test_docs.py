"""The commands of the documents, run as they stand; ``make`` targets are only looked up, since CI runs them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOCKS = [
    (document.relative_to(ROOT).as_posix(), block)
    for document in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    for block in re.findall(r"^```sh\n(.*?)^```", document.read_text(), re.MULTILINE | re.DOTALL)
]


def test_documents_have_commands() -> None:
    assert {document for document, _ in BLOCKS} >= {"README.md", "docs/howto/stack.md"}


@pytest.mark.parametrize(("document", "block"), BLOCKS)
def test_commands_of_the_document_work(document: str, block: str, state_directory: Path) -> None:
    lines = [
        f"make -n {line.removeprefix('make ')}" if line.startswith("make ") else line for line in block.splitlines()
    ]
    env = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOTROW_STATE_DIR": str(state_directory / "docs"),
    }
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(lines)], cwd=ROOT, env=env, capture_output=True, text=True
    )
    subprocess.run([sys.executable, "-m", "tuning.cli.main", "down"], env=env, check=True, capture_output=True)
    assert done.returncode == 0, f"{document}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
