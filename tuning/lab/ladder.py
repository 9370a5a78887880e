"""Climb the ladder: each rung fresh, in interleaved repeats, with a folder of its own for each of them."""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuning.lab import rung as rungs_run
from tuning.lab.documents import FORMAT, run_document
from tuning.lab.rung import Driving
from tuning.lab.rungs import Rung
from tuning.load.scenario import Scenario
from tuning.observe.machine import Machine
from tuning.stack.errors import StackError

INSTANCE = "ladder"
RUN, TIMELINE = "run.json", "timeline.jsonl"


@dataclass(frozen=True, slots=True)
class Climb:
    """What is asked of every rung; ``rate`` is of open arrivals in requests/s, 0 for closed users."""

    users: int
    spawn_rate: int
    seconds: int
    rounds: int = 1
    rate: float = 0.0
    processes: int = 1

    def scenario(self, rung: Rung) -> Scenario:
        return Scenario(rung.profile.service["STRATEGY"], self.users, self.spawn_rate)

    def asked(self, rung: Rung) -> dict[str, Any]:
        """What a finished run must agree with to be taken for this one."""
        return {
            "format": FORMAT,
            "profile": rung.profile.name,
            "service": dict(rung.profile.service),
            "users": self.users,
            "spawn_rate_per_s": self.spawn_rate,
            "seconds": self.seconds,
            "rate_per_s": self.rate or None,
        }


@dataclass(frozen=True, slots=True)
class Attempt:
    """One repeat of one rung: its document, or why there is none."""

    rung: str
    number: int
    document: dict[str, Any] | None
    failure: str = ""


def order(rungs: Sequence[Rung], rounds: int) -> list[tuple[int, Rung]]:
    """Every rung once in each round, each round beginning with another: what drifts meets all of them."""
    found = []
    for number in range(1, rounds + 1):
        start = (number - 1) * len(rungs) // rounds
        found += [(number, rung) for rung in (*rungs[start:], *rungs[:start])]
    return found


def climb(
    rungs: Sequence[Rung],
    asked: Climb,
    directory: Path,
    machine: Machine,
    *,
    resume: bool = False,
    postgres_bin: Path | None = None,
    step: Callable[[str], None] = lambda message: None,
    figures: Callable[[dict[str, Any]], None] = lambda found: None,
) -> list[Attempt]:
    """Measure every rung so often; one that fails is told of, and the others go on.

    Args:
        directory: Gets a folder for each rung and repeat, written when that has ended well.
        resume: Take what is there already.

    Raises:
        StackError: Something to be taken was measured under other conditions.
    """
    attempts = []
    for number, rung in order(rungs, asked.rounds):
        folder = directory / f"{rung.name}-{number}"
        found = _finished(folder, asked.asked(rung)) if resume else None
        if found is not None:
            attempts.append(Attempt(rung.name, number, found))
            continue
        step(f"{rung.name} {number} of {asked.rounds}: {rung.change.says}")
        attempts.append(_attempt(rung, number, asked, folder, machine, postgres_bin, step, figures))
    return attempts


def _attempt(
    rung: Rung,
    number: int,
    asked: Climb,
    folder: Path,
    machine: Machine,
    postgres_bin: Path | None,
    step: Callable[[str], None],
    figures: Callable[[dict[str, Any]], None],
) -> Attempt:
    staging = folder.with_name(f".{folder.name}")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    try:
        scenario = asked.scenario(rung)
        measured = rungs_run.run(
            INSTANCE,
            rung.profile,
            scenario,
            asked.seconds,
            driving=Driving(asked.rate, asked.processes, staging / TIMELINE),
            postgres_bin=postgres_bin,
            report=lambda message: step(f"{rung.name}: {message}"),
            follow=figures,
        )
        found = run_document(
            measured,
            rung.profile,
            rung.change.says,
            scenario,
            asked.seconds,
            asked.rate,
            machine,
            staging / TIMELINE,
        )
        (staging / RUN).write_text(json.dumps(found, indent=1) + "\n")
        shutil.rmtree(folder, ignore_errors=True)
        staging.replace(folder)
    except StackError as error:
        step(f"{rung.name} failed: {error}")
        return Attempt(rung.name, number, None, str(error))
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return Attempt(rung.name, number, found)


def _finished(folder: Path, asked: dict[str, Any]) -> dict[str, Any] | None:
    """The document of a repeat that has ended well; None where there is none.

    Raises:
        StackError: It is of another ladder.
    """
    try:
        found: dict[str, Any] = json.loads((folder / RUN).read_text())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise StackError(f"{folder / RUN} is no JSON ({error}): remove {folder}") from error
    for name, value in asked.items():
        if found.get(name) != value:
            raise StackError(
                f"{folder} was measured with another {name} ({found.get(name)}, not {value}): "
                "take the same options, another --out, or leave out --resume"
            )
    return found
