"""A diagnosis as text, Markdown and JSON: the answer, what was found, what could not be concluded."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from tuning.contract import Outcome
from tuning.diagnose.bounds import Bound
from tuning.diagnose.findings import Diagnosis, Found, Verdict
from tuning.diagnose.quantities import number, rate, time
from tuning.diagnose.split import Part

_APPORTIONED = " (inside the worker in proportion: it was measured for all requests together)"
_FOUND = (Outcome.FAIL, Outcome.WARN, Outcome.OK)


def lines(diagnosis: Diagnosis, *, is_verbose: bool) -> Iterator[str]:
    """Yield the answer first; ``is_verbose`` adds laws, figures and tolerances."""
    yield diagnosis.answer
    yield ""
    yield from (f"{said}." for said in diagnosis.read)
    yield from (f"Missing: {said}." for said in diagnosis.missing)
    yield ""
    for verdict in told_first(diagnosis):
        for found in verdict.findings:
            yield f"{found.outcome:4} {verdict.rule}: {found.message}"
            if is_verbose:
                yield from (f"       {line}" for line in _grounds(found))
        if verdict.remedy:
            yield f"     remedy: {verdict.remedy}"
    for split in diagnosis.splits:
        yield ""
        yield f"{split.request}, {time(split.mean_s)} on average{_APPORTIONED if split.is_apportioned else ''}:"
        yield from (f"  {part_told(part)}" for part in split.parts)
    if diagnosis.gains:
        yield ""
        yield "At most, with one part free of charge:"
        yield from (f"  {gain_told(bound)}" for bound in diagnosis.gains)
    yield ""
    yield "Not concluded:"
    for verdict in diagnosis.judged:
        if verdict.outcome is Outcome.SKIP:
            yield f"SKIP {verdict.rule}: {verdict.reason}"
    yield summary(diagnosis, is_verbose=is_verbose)


def markdown(diagnosis: Diagnosis) -> str:
    """The same for a document, with all grounds."""
    said = [f"**{diagnosis.answer}**", "", *(f"- {each}" for each in diagnosis.read)]
    said += [f"- Missing: {each}" for each in diagnosis.missing]
    said += ["", "## Found", ""]
    for verdict in told_first(diagnosis):
        for found in verdict.findings:
            grounds = "; ".join(_grounds(found))
            said.append(f"- {found.outcome} `{verdict.rule}`: {found.message}.{f' *{grounds}.*' if grounds else ''}")
        if verdict.remedy:
            said.append(f"  Remedy: {verdict.remedy}")
    for split in diagnosis.splits:
        said += ["", f"## Where the time of {split.request} went", "", "| part | time | measured by |"]
        said += ["| --- | ---: | --- |"]
        said += [f"| {part.name} | {_seconds(part)} | {_cell(part.source)} |" for part in split.parts]
        said += [f"| the client's mean | {time(split.mean_s)} |{_APPORTIONED if split.is_apportioned else ''} |"]
    if diagnosis.gains:
        said += ["", "## What a change can gain at most", ""]
        said += [f"- {gain_told(bound)}." for bound in diagnosis.gains]
    said += ["", "## Not concluded", ""]
    said += [
        f"- `{verdict.rule}`: {verdict.reason}." for verdict in diagnosis.judged if verdict.outcome is Outcome.SKIP
    ]
    return "\n".join(said) + "\n"


def summary(diagnosis: Diagnosis, *, is_verbose: bool) -> str:
    counts = ", ".join(f"{diagnosis.count(outcome)} {outcome}" for outcome in reversed(Outcome))
    hint = "" if is_verbose else " (--verbose gives laws and figures)"
    return f"{len(diagnosis.judged)} rules: {counts}{hint}"


def as_json(diagnosis: Diagnosis) -> dict[str, Any]:
    counts = {outcome.value: diagnosis.count(outcome) for outcome in Outcome}
    return asdict(diagnosis) | {"counts": counts}


def part_told(part: Part) -> str:
    """One line of a split."""
    return f"{_seconds(part):>9}  {part.name}: {part.source}"


def gain_told(bound: Bound) -> str:
    """What removing one part could gain."""
    return (
        f"without {bound.station} at most {rate(bound.at_most_per_s)}, {number(bound.gain)} times what was measured; "
        f"then {bound.next_limit} is the limit"
    )


def _seconds(part: Part) -> str:
    return "-" if part.seconds is None else time(part.seconds)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def told_first(diagnosis: Diagnosis) -> list[Verdict]:
    """The worst first."""
    return [each for outcome in _FOUND for each in diagnosis.judged if each.outcome is outcome]


def _grounds(found: Found) -> Iterator[str]:
    if found.law:
        yield found.law
    if found.figures:
        yield _told(found.figures)
    if found.tolerance:
        yield f"allowed for: {found.tolerance}"


def _told(figures: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.6g}" for name, value in figures.items())
