"""Rules of the house that no linter knows."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAX_LINES = 400
TRACKED = [
    ROOT / name for name in subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout.split()
]
TARGETS = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
DOCUMENTS = [path for path in TRACKED if path.suffix == ".md"]


def test_no_module_is_over_the_limit() -> None:
    assert TRACKED
    long = {
        str(path): lines
        for path in TRACKED
        if path.suffix == ".py" and (lines := len(path.read_text().splitlines())) > MAX_LINES
    }
    assert long == {}


def test_every_package_says_what_it_is() -> None:
    bare = [
        str(path)
        for path in TRACKED
        if path.name == "__init__.py"
        and path.is_relative_to(ROOT / "tuning")
        and not path.read_text().startswith('"""')
    ]
    assert bare == []


@pytest.mark.parametrize("path", sorted((ROOT / "docs/adr").glob("*.md")), ids=lambda path: path.stem)
def test_decision_is_short_and_named_after_its_rule(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert re.fullmatch(r"# \d+\. .+", lines[0])
    assert path.stem.split("-")[0] == f"{int(lines[0].split('.')[0].removeprefix('# ')):04d}"
    assert len(lines) <= 25


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    for link in re.findall(r"\]\(([^)#]+)\)", document.read_text()):
        assert link.startswith("https://") or (document.parent / link).exists(), link


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_make_targets_in_documents_exist(document: Path) -> None:
    for target in re.findall(r"(?:^|`)make ([a-z-]+)", document.read_text(), re.MULTILINE):
        assert target in TARGETS


def test_every_make_target_for_people_has_help() -> None:
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for target in ("setup", "demo", "up", "down", "test", "check", "bench"):
        assert re.search(rf"^{target}\s+\S", listed, re.MULTILINE), target
