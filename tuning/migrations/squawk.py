"""Run squawk for the rules that need nothing but the text, and read what it found."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from bisect import bisect_right
from collections.abc import Collection, Iterator
from pathlib import Path

from tuning.contract import Outcome
from tuning.migrations.actions import Action, Kind
from tuning.migrations.findings import Effect, Found
from tuning.migrations.script import Script
from tuning.migrations.squawk_rules import BY_NAME, OPT_IN

INSTALL = "squawk is not installed: pip install 'hotrow[lint]'"
CONFIG = ".squawk.toml"
# The oldest that is supported: what is safe there is safe on the newer ones.
OLDEST_MAJOR = 15
TIMEOUT_S = 60
# Before, it had no --include, and other names for some rules.
OLDEST_SQUAWK = "2.70"
# It has nothing but opinions on a constraint that another of its rules has already named, or that cannot be NOT VALID.
_NEVER_NOT_VALID = ("UNIQUE", "PRIMARY", "EXCLUDE", "FOREIGN")

# As psycopg writes it, and with it the files of backfills.
_PARAMETER = re.compile(r"%\(\w+\)s")
_MANY = (Kind.DROP_INDEX, Kind.DROP_TABLE, Kind.DROP_FUNCTION, Kind.TRUNCATE)


class SquawkFailed(RuntimeError):
    """squawk ended without a judgement."""


def find() -> str | None:
    """The program beside this Python, else on PATH."""
    beside = Path(sys.executable).parent / "squawk"
    return str(beside) if beside.is_file() else shutil.which("squawk")


def excluded_by_config(directory: Path) -> tuple[str, ...]:
    """The rules that a project has excluded in its own configuration of squawk.

    Raises:
        ValueError: The file is no TOML.
    """
    file = directory / CONFIG
    if not file.is_file():
        return ()
    try:
        found = tomllib.loads(file.read_text(encoding="utf-8")).get("excluded_rules", [])
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{file} is no TOML: {error}") from error
    return tuple(str(name) for name in found)


def judge(
    program: str, script: Script, *, major: int, included: Collection[str], excluded: Collection[str]
) -> Iterator[tuple[str, Found]]:
    """Yield squawk's findings with its rules' names; what our own rules know better is left out.

    Raises:
        SquawkFailed: It could not be run, or did not answer in JSON.
    """
    wanted = [name for name in OPT_IN if name in included]
    left_out = {name for name in OPT_IN if name not in included} | set(excluded)
    # A project's exclusions are ours to respect, so that a rule that is off is said to be: squawk itself reads none.
    command = [program, "--config", os.devnull, "--reporter", "Json", "--stdin-filepath", script.path]
    command += ["--pg-version", f"{major}.0"]
    command += [f"--include={name}" for name in (*wanted, "ban-truncate-cascade", "ban-uncommitted-transaction")]
    command += ["--include=require-enum-value-ordering"]
    try:
        done = subprocess.run(
            command,
            input=_readable(script.text),
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
            encoding="utf-8",
        )
        violations = json.loads(done.stdout)
    except (OSError, subprocess.TimeoutExpired, json.JSONDecodeError) as error:
        said = "" if isinstance(error, OSError | subprocess.TimeoutExpired) else done.stderr.strip()
        raise SquawkFailed(
            f"{program} could not judge {script.path} (version {OLDEST_SQUAWK} or newer is needed): {said or error}"
        ) from error
    starts = _line_starts(script.text)
    told: set[tuple[str, int]] = set()
    for violation in violations:
        name = str(violation["rule_name"])
        if name in left_out:
            continue
        line = int(violation["line"])
        offset = starts[min(line, len(starts) - 1)] + int(violation["column"])
        for action in _actions(script, name, offset):
            is_told_elsewhere = action is not None and action.constraint in _NEVER_NOT_VALID
            if name == "constraint-missing-not-valid" and is_told_elsewhere:
                continue
            if action is None or action.kind not in _MANY or (name, id(action)) not in told:
                told.add((name, id(action)))
                yield name, _found(name, str(violation["message"]), action, line + 1)


def _found(name: str, message: str, action: Action | None, line: int) -> Found:
    rule = BY_NAME.get(name)
    if rule is None:
        return Found(Outcome.WARN, message, Effect.STYLE, action, line)
    return Found(rule.outcome, message, rule.effect, action, line)


def _actions(script: Script, rule: str, offset: int) -> list[Action | None]:
    """The action that squawk points at: of the kinds that the rule speaks of, the last that begins before.

    What drops or empties many at once is pointed at once, and is one action for each.
    """
    known = BY_NAME.get(rule)
    wanted = [
        action for action in _around(script, offset) if known is None or not known.kinds or action.kind in known.kinds
    ]
    if wanted and wanted[0].kind in _MANY:
        return list(wanted)
    before = [action for action in wanted if action.start <= offset]
    return [*(before[-1:] or wanted[:1])] or [None]


def _around(script: Script, offset: int) -> list[Action]:
    """The actions of the statement that the offset lies in."""
    end = bisect_right(script.steps, offset, key=lambda step: step.action.statement.start)
    found: list[Action] = []
    while end > 0 and script.steps[end - 1].action.statement.end >= offset:
        end -= 1
        found.insert(0, script.steps[end].action)
    return found


def _readable(text: str) -> str:
    """Put a number of the same length where a file leaves room for a parameter, which is no SQL yet."""
    return _PARAMETER.sub(lambda match: "1".ljust(len(match.group())), text)


def _line_starts(text: str) -> list[int]:
    starts = [0]
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    return starts[:-1]
