"""The images' build files: hadolint finds nothing, nor do the rules that it does not have."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = [ROOT / name for name in ("Dockerfile", "pgbouncer/Dockerfile", "postgres/Dockerfile")]


def hadolint(file: Path) -> subprocess.CompletedProcess[str]:
    program = shutil.which("hadolint", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert program is not None, "hadolint is missing: make setup"
    return subprocess.run([program, "--no-color", str(file)], capture_output=True, text=True)


def breaches(text: str) -> set[str]:
    """What an image of this file would be or do that none of ours may."""
    lines = [line for line in text.replace("\\\n", " ").splitlines() if line and not line.startswith("#")]
    found = set()
    bases = [line.split()[1] for line in lines if line.startswith("FROM")]
    stages = {match[1] for line in lines if (match := re.match(r"FROM \S+ AS (\w+)", line))}
    if any(base != "${BASE_IMAGE}" and base not in stages for base in bases):
        found.add("a base that cannot be replaced")
    if not any(re.fullmatch(r"ARG BASE_IMAGE=[\w./-]+:\d+\.\d+[\w.-]*", line) for line in lines):
        found.add("a base that is not pinned")
    users = [line.split()[1] for line in lines if line.startswith("USER")]
    if not users or users[-1].split(":")[0] in ("root", "0"):
        found.add("root")
    if any(line.startswith("ADD") for line in lines):
        found.add("ADD")
    if any(re.match(r"(ARG|ENV)\b.*(PASSWORD|SECRET|TOKEN|_KEY)", line) for line in lines):
        found.add("a secret in a layer")
    if any("pip install" in line and "--require-hashes" not in line for line in lines):
        found.add("packages that nobody checked")
    if any("apt-get install" in line and "rm -rf /var/lib/apt/lists" not in line for line in lines):
        found.add("package lists in a layer")
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_linter_finds_nothing(file: Path) -> None:
    done = hadolint(file)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_image_keeps_the_rules(file: Path) -> None:
    assert breaches(file.read_text()) == set()


@pytest.mark.parametrize(
    ("old", "new", "breach"),
    [
        ("FROM ${BASE_IMAGE}", "FROM debian", "a base that cannot be replaced"),
        ("postgres:18.1-trixie", "postgres:latest", "a base that is not pinned"),
        ("\nUSER postgres", "\nUSER root", "root"),
        ("\nUSER postgres", "", "root"),
        ("COPY images", "ADD https://example.com/x images", "ADD"),
        ("ARG PGBOUNCER_PACKAGE=", "ARG POOLER_PASSWORD=", "a secret in a layer"),
        ("rm -rf /var/lib/apt/lists/*;", "true;", "package lists in a layer"),
    ],
)
def test_image_that_breaks_one_is_found(tmp_path: Path, old: str, new: str, breach: str) -> None:
    text = (ROOT / "pgbouncer/Dockerfile").read_text()
    assert old in text
    assert breaches(text.replace(old, new)) == {breach}


def test_unchecked_packages_are_found() -> None:
    assert breaches((ROOT / "Dockerfile").read_text().replace("--require-hashes", "")) == {
        "packages that nobody checked"
    }


def test_linter_finds_a_bad_file(tmp_path: Path) -> None:
    bad = tmp_path / "Dockerfile"
    bad.write_text("FROM debian:latest\nRUN cd /x && apt-get install curl\n")
    assert {"DL3007", "DL3008"} <= set(re.findall(r"DL\d{4}", hadolint(bad).stdout))


def test_each_image_installs_what_the_whole_lock_has() -> None:
    """The images' locks are parts of requirements.lock: what was tested is what is deployed."""
    pins = {name: set(re.findall(r"^\S+==[^\s;]+", (ROOT / name).read_text(), re.MULTILINE)) for name in LOCKS}
    whole = pins.pop("requirements.lock")
    assert all(pins.values())
    for name, part in pins.items():
        assert part <= whole, f"{name}: run make lock"


LOCKS = ("requirements.lock", "requirements-service.lock", "requirements-load.lock", "requirements-tools.lock")
