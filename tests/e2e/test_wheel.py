"""The wheel that users install: complete, and at work in an empty environment."""

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(target)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (built,) = target.glob("*.whl")
    return built


def run(environment: Path, *command: str, cwd: Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    program = environment / "bin" / command[0]
    done = subprocess.run([program, *command[1:]], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0 or not check, done.stderr
    return done


def test_wheel_carries_sql_and_pgbouncer(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    tracked = subprocess.run(
        ["git", "ls-files", "sql", "pgbouncer", "postgres", "service", "tuning"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    ).stdout.split()
    assert tracked
    assert set(tracked) <= names
    assert not [name for name in names if name.startswith(("tests/", "docs/"))]


def test_plain_install_is_the_tuning_tools(wheel: Path, tmp_path: Path) -> None:
    """Nothing but the wheel and its own dependencies, at the locked versions."""
    environment = tmp_path / "empty"
    venv.create(environment, with_pip=True)
    locked = [line.split(" \\")[0] for line in (ROOT / "requirements.lock").read_text().splitlines() if "==" in line]
    constraints = tmp_path / "constraints.txt"
    constraints.write_text("\n".join(locked))
    run(environment, "pip", "install", "--quiet", "--constraint", str(constraints), str(wheel), cwd=tmp_path)
    installed = run(environment, "pip", "list", "--format", "freeze", cwd=tmp_path).stdout.lower()
    assert "django" not in installed
    assert "locust" not in installed
    assert "demo" in run(environment, "hotrow", "--help", cwd=tmp_path).stdout
    for command in (["demo"], ["up"]):
        done = run(environment, "hotrow", *command, cwd=tmp_path, check=False)
        assert done.returncode == 1
        assert "install hotrow[" in done.stderr
        assert "Traceback" not in done.stderr


def test_wheel_runs_the_whole_stack_away_from_the_checkout(wheel: Path, tmp_path: Path) -> None:
    """The dependencies come from this environment, hotrow itself from the wheel alone."""
    environment = tmp_path / "full"
    venv.create(environment, with_pip=True)
    run(environment, "pip", "install", "--quiet", "--no-deps", str(wheel), cwd=tmp_path)
    site = next((environment / "lib").glob("python*/site-packages"))
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + os.linesep)
    where = run(
        environment, "python", "-c", "import service, tuning; print(service.__file__, tuning.__file__)", cwd=tmp_path
    )
    assert all(path.startswith(str(environment)) for path in where.stdout.split())
    try:
        run(environment, "hotrow", "up", "--instance", "wheel", cwd=tmp_path)
        assert (
            '"state": "ready"'
            in run(environment, "hotrow", "status", "--instance", "wheel", "--json", cwd=tmp_path).stdout
        )
    finally:
        run(environment, "hotrow", "down", "--instance", "wheel", "--purge", cwd=tmp_path)
