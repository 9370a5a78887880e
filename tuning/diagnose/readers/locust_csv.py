"""What Locust writes with ``--csv PREFIX``: ``PREFIX_stats.csv``, its history, and the failures."""

import re

from tuning.diagnose.buckets import is_bucket
from tuning.diagnose.figures import ALL, Failed, LoadFigures, Moment, Request, summed
from tuning.diagnose.readers.documents import Document, Row, Table, Unreadable, table

STATS = ("Type", "Name", "Request Count", "Failure Count", "Average Response Time")
HISTORY = ("Timestamp", "User Count", "Type", "Name", "Total Request Count")
FAILURES = ("Method", "Name", "Error", "Occurrences")
EXCEPTIONS = ("Count", "Message", "Traceback")
AGGREGATED = "Aggregated"
_PERCENTILE = re.compile(r"(\d+(?:\.\d+)?)%")


def kind(document: Document) -> tuple[str, ...]:
    """Which of the four files it is, by its header.

    Raises:
        Unreadable: It is none of them.
    """
    columns = table(document).columns
    for known in (STATS, HISTORY, FAILURES, EXCEPTIONS):
        if set(known) <= set(columns):
            return known
    if len(columns) == 1 and columns[0].count(";") > 1:
        raise Unreadable(f"{document.name} is separated by semicolons, as spreadsheets save it: give Locust's own file")
    absent = [column for column in STATS if column not in columns]
    raise Unreadable(f"{document.name} is no statistics file of Locust: it has no column {', '.join(absent)}")


def read(document: Document) -> LoadFigures:
    """Read the statistics.

    Raises:
        Unreadable: A figure is no figure, a row stands twice, or nothing was requested.
    """
    found = table(document)
    missing = [*found.missing]
    requests: dict[str, Request] = {}
    total = None
    for row in found.rows:
        method, name = row.cells["Type"].strip(), row.cells["Name"].strip()
        is_total = name == AGGREGATED and not method
        request = _request(row, found, ALL if is_total else f"{method} {name}".strip())
        if (is_total and total is not None) or request.name in requests:
            raise Unreadable(f"{row.place}: {name} stands twice: are two runs in one file?")
        if is_total:
            total = request
        elif request.count and request.mean_s:
            requests[request.name] = request
        else:
            missing.append(f"{request.name} was left out: it has no request that was timed")
    timed = tuple(requests.values())
    if not timed and (total is None or not total.count or not total.mean_s):
        raise Unreadable(f"{document.name} holds no request: the load never reached the service, or the file is cut")
    if total is None or not total.count or not total.mean_s:
        total = summed(timed)
        missing.append(
            f"{document.name} has no row {AGGREGATED}: rows were summed, and all have no percentiles together"
        )
    percentiles = [value for request in (*timed, total) for value in request.percentiles_s.values()]
    return LoadFigures(
        source=f"{document.name}, Locust's statistics",
        requests=timed or (total,),
        total=total,
        seconds=total.count / total.rate_per_s if total.rate_per_s else None,
        is_rounded=bool(percentiles) and all(is_bucket(value) for value in percentiles),
        missing=tuple(missing),
    )


def _request(row: Row, found: Table, name: str) -> Request:
    percentiles = {}
    for column in found.columns:
        if (match := _PERCENTILE.fullmatch(column)) and (value := row.optional(column)) is not None:
            percentiles[float(match[1])] = value / 1000
    if (median := row.optional("Median Response Time")) is not None:
        percentiles.setdefault(50.0, median / 1000)
    least, most = row.optional("Min Response Time"), row.optional("Max Response Time")
    return Request(
        name=name,
        count=row.whole("Request Count"),
        failures=row.whole("Failure Count"),
        mean_s=row.number("Average Response Time") / 1000,
        min_s=None if least is None else least / 1000,
        max_s=None if most is None else most / 1000,
        rate_per_s=row.optional("Requests/s"),
        percentiles_s=percentiles,
    )


def read_failures(document: Document) -> tuple[Failed, ...]:
    """Read with which messages requests failed.

    Raises:
        Unreadable: A count is none, or rows are missing.
    """
    found = table(document)
    if found.missing:
        raise Unreadable(found.missing[0])
    return tuple(
        Failed(
            f"{row.cells['Method']} {row.cells['Name']}".strip(), row.cells["Error"].strip(), row.whole("Occurrences")
        )
        for row in found.rows
    )


def read_history(document: Document) -> tuple[tuple[Moment, ...], tuple[str, ...]]:
    """Read the rows of all requests together, and what is missing of them.

    Raises:
        Unreadable: The clock goes back, or a figure is no figure.
    """
    found = table(document)
    rows = [row for row in found.rows if row.cells["Name"].strip() == AGGREGATED and not row.cells["Type"].strip()]
    moments: list[Moment] = []
    started = None
    for row in rows:
        now = row.number("Timestamp")
        started = now if started is None else started
        if moments and now - started < moments[-1].at_s:
            raise Unreadable(f"{row.place}: the clock goes back by {moments[-1].at_s + started - now:g} s")
        moments.append(Moment(now - started, row.whole("User Count"), row.whole("Total Request Count")))
    return tuple(moments), found.missing
