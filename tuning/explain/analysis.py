"""From an input to a report: each statement run or read, judged, and ranked by the time it takes."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial

import psycopg

from tuning.explain import captures, statistics_source
from tuning.explain.errors import Refused, Unreadable
from tuning.explain.execution import GENERIC_PLAN_SINCE, Run, Server
from tuning.explain.findings import Judged, Report
from tuning.explain.fingerprints import shape
from tuning.explain.judge import judge
from tuning.explain.plan import Plan
from tuning.explain.subject import Statement, Subject
from tuning.ignores import Ignore, mark, over
from tuning.observe.spent import Spent

# Of a statement, while it is explained: what fits into a line.
SHOWN_CHARS = 70


@dataclass(slots=True)
class Analysis:
    """What is the same for every statement."""

    excluded: Mapping[str, str] = field(default_factory=dict)
    before: Plan | None = None
    tell: Callable[[str], None] = lambda _: None

    def plans(self, plans: Iterable[Plan], source: str) -> list[Judged]:
        """Judge plans that were read."""
        judged = []
        for number, plan in enumerate(plans, 1):
            statement = Statement(*shape(plan.query), sql=plan.query, total_ms=plan.total_ms) if plan.query else None
            subject = Subject(plan, statement, before=self.before)
            judged.append(judge(subject, source if number == 1 else f"{source} ({number})", self.excluded))
        return judged

    def texts(self, texts: Iterable[str], server: Server, source: str, *, is_planned: bool) -> list[Judged]:
        """Explain statements as they stand in a file."""
        statements = [Statement(*shape(text), sql=text) for text in texts]
        explain = server.plan if is_planned else server.explain
        return [self._one(each, source, partial(explain, each.sql)) for each in statements]

    def captured(
        self, groups: Iterable[captures.Group], server: Server | None, source: str, *, is_planned: bool
    ) -> list[Judged]:
        """Explain the slowest call of each group, with the values it had."""
        judged = []
        for group in groups:
            statement = group.statement()
            if server is None:
                judged.append(judge(Subject(statement=statement), source, self.excluded))
                continue
            explain = server.plan if is_planned else server.explain
            judged.append(self._one(statement, source, partial(_explained, explain, group, server)))
        return judged

    def from_statistics(self, statements: Iterable[Statement], server: Server, source: str) -> list[Judged]:
        """Plan statements whose values the server did not keep."""

        def plan(text: str) -> Run:
            if "$" not in text or server.version >= GENERIC_PLAN_SINCE:
                return server.plan(text, is_generic="$" in text)
            return server.plan(server.sampled(text, statistics_source.sampled))

        return [self._one(each, source, partial(plan, each.sql)) for each in statements]

    def _one(self, statement: Statement, source: str, run: Callable[[], Run]) -> Judged:
        self.tell(f"explaining {' '.join(statement.sql[:SHOWN_CHARS].split())}")
        try:
            done = run()
        except (Refused, Unreadable) as error:
            return replace(judge(Subject(statement=statement), source, self.excluded), skipped=str(error))
        except psycopg.Error as error:
            reason = f"PostgreSQL refuses it: {str(error).strip().splitlines()[0] if str(error).strip() else error!r}"
            return replace(judge(Subject(statement=statement), source, self.excluded), skipped=reason)
        if not statement.total_ms:
            statement = replace(statement, total_ms=done.plan.total_ms)
        subject = Subject(done.plan, statement, done.first, self.before, done.tables)
        return replace(judge(subject, source, self.excluded), notes=done.notes)


def _explained(explain: Callable[[str], Run], group: captures.Group, server: Server) -> Run:
    return explain(_composed(group, server))


def _composed(group: captures.Group, server: Server) -> str:
    values = captures.values_of(group)
    if values is None:
        return group.sql
    try:
        return server.composed(group.sql, values)
    except (psycopg.Error, KeyError, TypeError, ValueError) as error:
        raise Refused(f"its values do not fit it: {error}") from error


def report(
    judged: Iterable[Judged], notes: Iterable[str], ignores: tuple[Ignore, ...], today: date, spent: Spent | None = None
) -> Report:
    """Rank what was judged by the time it takes, and mark what is ignored; an ignore that is over is told."""
    ranked = sorted(judged, key=lambda each: -(each.statement.total_ms if each.statement else 0.0))
    marked = tuple(replace(each, findings=tuple(mark(ignores, one, today) for one in each.findings)) for each in ranked)
    keys = (finding.key for each in ranked for finding in each.findings)
    return Report(marked, (*notes, *over(ignores, keys, today)), spent)
