"""A lint report for machines: JSON, SARIF 2.1.0 and the annotations of GitHub's workflow commands."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any
from urllib.parse import quote

from tuning.contract import Outcome
from tuning.migrations.findings import Finding, Report

SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {Outcome.FAIL: "error", Outcome.WARN: "warning", Outcome.OK: "note", Outcome.SKIP: "none"}


def as_json(report: Report) -> dict[str, Any]:
    counts = {outcome.value: report.count(outcome) for outcome in Outcome}
    return asdict(report) | {"counts": counts}


def as_sarif(report: Report, *, version: str, titles: dict[str, tuple[str, str]]) -> dict[str, Any]:
    """Build one SARIF run; ``titles`` gives each rule's title and its help."""
    shown = _shown(report)
    order = sorted({finding.rule for finding in shown})
    rules = []
    for name in order:
        title, remedy = titles.get(name, (name, ""))
        rules.append({"id": name, "shortDescription": {"text": title}, "help": {"text": remedy or title}})
    results = [
        {
            "ruleId": finding.rule,
            "ruleIndex": order.index(finding.rule),
            "level": _LEVELS[finding.outcome],
            "message": {"text": _text(finding)},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": quote(finding.path)},
                        "region": {"startLine": finding.line},
                    }
                }
            ],
        }
        for finding in shown
    ]
    driver = {"name": "hotrow", "version": version, "rules": rules}
    return {"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": results}]}


def as_github(report: Report) -> Iterator[str]:
    """Yield one workflow command a finding."""
    for finding in _shown(report):
        place = f"file={property_(finding.path)},line={finding.line},title={property_(finding.rule)}"
        yield f"::{level(finding.outcome)} {place}::{data(_text(finding))}"


def level(outcome: Outcome) -> str:
    """How GitHub marks an annotation."""
    return "error" if outcome is Outcome.FAIL else "warning"


def data(text: str) -> str:
    """The text of a workflow command."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def property_(text: str) -> str:
    """A value of one of its properties."""
    return data(text).replace(":", "%3A").replace(",", "%2C")


def _shown(report: Report) -> list[Finding]:
    return [finding for finding in report.findings if finding.outcome in (Outcome.WARN, Outcome.FAIL)]


def _text(finding: Finding) -> str:
    parts = [finding.message, finding.reason, finding.estimate, finding.facts, finding.remedy]
    text = "\n".join(part for part in parts if part)
    return f"{text}\n{finding.safe_sequence}" if finding.safe_sequence else text
