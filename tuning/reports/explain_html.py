"""A report on plans as one HTML page that needs no network, in the reader's light or dark."""

from collections.abc import Iterator
from html import escape

from tuning.contract import Outcome
from tuning.explain.findings import Judged, Report
from tuning.reports import explain_text, explain_tree

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --warn: #b26a00; --fail: #c62828; --bar: #4a90d9; }
@media (prefers-color-scheme: dark) { :root { --warn: #ffb74d; --fail: #ef7f7f; --bar: #6aa9e9; } }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; }
section { border-top: 1px solid var(--line); margin-top: 2rem; }
h2 { font-size: 1.1rem; overflow-wrap: anywhere; }
pre, code, td:first-child { font-family: ui-monospace, monospace; font-size: 13px; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; }
td { border-bottom: 1px solid var(--line); padding: .2rem .5rem; vertical-align: top; }
td:first-child { white-space: pre; }
.bar { background: var(--bar); height: .6rem; min-width: 1px; }
.WARN { color: var(--warn); } .FAIL { color: var(--fail); }
.condition { opacity: .75; font-size: 13px; overflow-wrap: anywhere; }
"""


def page(report: Report) -> str:
    """The whole report; every text of it is escaped."""
    body = "".join(_section(judged) for judged in report.judged)
    notes = "".join(f"<p>{escape(note)}.</p>" for note in report.told)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><title>Plans</title>'
        f"<style>{_STYLE}</style></head><body><h1>Plans</h1>"
        f"<p>{escape(explain_text.summary(report))}</p>{notes}{body}</body></html>\n"
    )


def _section(judged: Judged) -> str:
    return "".join(["<section>", *_parts(judged), "</section>"])


def _parts(judged: Judged) -> Iterator[str]:
    yield f"<h2>{escape(explain_text.heading(judged))}</h2>"
    if judged.statement is not None and judged.statement.sql:
        statement = escape(explain_text.formatted(judged.statement.sql))
        yield f"<details><summary>Statement</summary><pre>{statement}</pre></details>"
    if judged.skipped:
        yield f"<p>SKIP: {escape(judged.skipped)}</p>"
    for finding, words in explain_text.findings(judged, is_verbose=False):
        yield f'<p class="{escape(finding.outcome)}">{escape(words)}</p><ul>'
        yield "".join(f"<li>{escape(each)}</li>" for each in explain_text.more(finding))
        yield "</ul>"
    if judged.plan is None:
        return
    yield f"<p>{escape(explain_text.totals(judged))}</p><table>"
    worst = {
        finding.node: finding.outcome for finding in reversed(judged.findings) if finding.outcome is not Outcome.OK
    }
    for line in explain_tree.lines(judged.plan):
        kind = escape(worst.get(line.node, ""))
        condition = f'<div class="condition">{escape(line.condition)}</div>' if line.condition else ""
        share = f"{line.own_share:.0%}"
        bar = f'<div class="bar" style="width:{share}" title="{share} of the time"></div>'
        yield (
            f'<tr><td class="{kind}">{escape(line.branch + line.label)}</td><td>{escape(line.figures)}{condition}</td>'
            f'<td style="width:8rem">{bar}</td></tr>'
        )
    yield "</table>"
