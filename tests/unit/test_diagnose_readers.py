"""Whatever a file holds, it is judged, or one sentence says why not."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.command import ROOT, hotrow
from tuning.diagnose import readers
from tuning.diagnose.buckets import is_bucket, width_s
from tuning.diagnose.figures import LoadFigures
from tuning.diagnose.judge import judge
from tuning.diagnose.readers.documents import Document, Unreadable
from tuning.diagnose.run import Run, Stated
from tuning.reports import diagnose as reports

TABLE = (ROOT / "tests/data/report_stats.csv").read_text()
LINES = TABLE.splitlines(keepends=True)
HEADER = LINES[0]
STATED = Stated(
    slots=9, users=1000, spawn_rate_per_s=50.0, seconds=60.0, weights={"/04_stock_reserve": 1.0}, goal_s=1.0
)
HISTORY_HEADER = "Timestamp,User Count,Type,Name,Requests/s,Total Request Count\n"
ENTRY = {
    "name": "/a",
    "method": "GET",
    "last_request_timestamp": 1060.0,
    "start_time": 1000.5,
    "num_requests": 100,
    "num_none_requests": 0,
    "num_failures": 0,
    "total_response_time": 51_000.0,
    "max_response_time": 1_004.0,
    "min_response_time": 12.0,
    "response_times": {"12": 50, "1000": 50},
}


def read(text: str, *others: tuple[str, str], configuration: str | None = None) -> LoadFigures:
    return readers.read(
        [Document.decode(name, part.encode()) for name, part in (("a.csv", text), *others)], configuration
    )


def changed(old: str, new: str) -> str:
    assert old in TABLE
    return TABLE.replace(old, new, 1)


# A file that is no result, and words of the sentence that says why.
BAD = [
    ("", "is empty"),
    (" \n\n", "is empty"),
    (HEADER, "holds no request"),
    (HEADER + ",Aggregated,0,0,0,0.0,0,0,0,0.0,0.0" + ",N/A" * 11 + "\n", "the load never reached the service"),
    ("a,b\n1,2\n", "it has no column Type, Name"),
    (changed("Request Count", "Requests"), "it has no column Request Count"),
    (TABLE.replace(",", ";"), "separated by semicolons"),
    ("Count,Message,Traceback,Nodes\n", "0 of these hold statistics"),
    (changed("1029,", '"1,029",'), "'1,029' has the commas"),
    (changed("41.2", '"41,2"'), "Requests/s: '41,2' has the commas"),
    (changed("41.2", "1 041"), "has the commas or spaces of a locale"),
    (changed("13900", "-13900"), "row 2, Average Response Time: -13900 is negative"),
    (changed("13900", "NaN"), "'NaN' is no number"),
    (changed("13900", "inf"), "'inf' is no number"),
    (changed("13900", "1e999"), "inf is no figure"),
    (changed("13900", "5e-324"), "is too small for a figure"),
    (changed("13900", "9e20"), "9e+20 is no figure of a load test"),
    (changed("303,0", "303.5,0"), "row 4, Request Count: 303.5 is no count"),
    (changed("13900", ""), "'' is no number"),
    (TABLE + LINES[2], "row 7: /02_product_list stands twice"),
    (TABLE + LINES[5], "Aggregated stands twice"),
    (changed("POST,", "POST,extra,"), "row 2 has 23 cells and the header 22"),
    ("\x00", "no statistics file"),
    ("[", "is no JSON, or is cut"),
    ("[" * 100_000, "is JSON of no load test"),
    ("[1]", "entry 1 is no statistics of Locust"),
    ("[]", "holds no request"),
    ("{}", "neither Locust's statistics nor a result of the kit's"),
    (json.dumps([ENTRY])[:-40], "is no JSON, or is cut"),
    (json.dumps([ENTRY, ENTRY]), "GET /a stands twice"),
    (json.dumps([ENTRY | {"num_requests": -1}]), "num_requests: -1 is negative"),
    (json.dumps([ENTRY | {"num_requests": True}]), "num_requests is no number"),
    (json.dumps([ENTRY | {"num_requests": 10**400}]), "no figure of a load test is so large"),
    (json.dumps([ENTRY | {"num_requests": float("nan")}]), "nan is no figure"),
    (json.dumps([ENTRY | {"num_requests": 99}]), "100 response times for 99 requests"),
    (json.dumps([ENTRY | {"response_times": None}]), "has no response_times"),
    (json.dumps([ENTRY | {"response_times": {"fast": 100}}]), "a time is no number of ms"),
    (json.dumps([ENTRY | {"name": 7}]), "name is no name"),
    (json.dumps([{key: value for key, value in ENTRY.items() if key != "start_time"}]), "start_time is missing"),
]


@pytest.mark.parametrize(("text", "words"), BAD, ids=range(len(BAD)))
def test_file_that_is_no_result_is_refused_in_one_sentence(text: str, words: str) -> None:
    with pytest.raises(Unreadable) as error:
        read(text)
    assert words in str(error.value)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 300


def test_table_as_it_is_has_nothing_missing() -> None:
    found = read(TABLE)
    assert found.missing == ()
    assert found.requests[0].name == "POST /01_jwt_auth"
    assert (found.total.count, found.total.rate_per_s, found.total.mean_s) == (2_476, 41.2, 16.5)
    assert found.total.percentiles_s == {50: 19, 66: 21, 75: 22, 80: 22, 90: 24, 95: 24, 99: 26, 99.9: 27}
    assert found.seconds == pytest.approx(60.1, abs=0.01)
    assert found.is_rounded


def test_row_that_is_cut_is_left_out_and_the_total_is_summed() -> None:
    found = read(TABLE[:-60])
    assert found.total.count == 2_476
    assert found.total.rate_per_s == pytest.approx(41.1)
    assert found.total.percentiles_s == {}
    assert "row 6 has" in found.missing[0]
    assert "has no row Aggregated" in found.missing[1]


def test_file_that_may_be_cut_in_its_last_cell_is_read_and_said_to_be_so() -> None:
    found = read(TABLE.rstrip())
    assert found.total == read(TABLE).total
    assert found.missing == ("a.csv ends without a line break: its last cell may be cut",)


def test_file_that_ends_inside_quotes_is_read_up_to_there() -> None:
    found = read("".join(LINES[:5]) + ',"Aggregated')
    assert len(found.requests) == 4
    assert "breaks off after row 5" in found.missing[0]


def test_kind_that_was_never_answered_is_left_out() -> None:
    found = read(changed(LINES[3], LINES[3].replace("303,0,20000,19000", "0,0,0,0.0")))
    assert len(found.requests) == 3
    assert found.missing == ("GET /03_stock_availability was left out: it has no request that was timed",)


def test_mark_of_the_byte_order_and_windows_lines_are_read() -> None:
    found = readers.read([Document.decode("a.csv", b"\xef\xbb\xbf" + TABLE.replace("\n", "\r\n").encode())])
    assert found.total.count == 2_476


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(Unreadable, match="no UTF-8"):
        Document.decode("a.csv", b"\xff\xfe\x00")


def test_history_and_failures_join() -> None:
    history = HISTORY_HEADER + "1000,0,,Aggregated,0,0\n1010,1000,GET,/a,5,50\n1010,1000,,Aggregated,41,400\n"
    failures = "Method,Name,Error,Occurrences,First Seen,Last Seen\nGET,/a,ReadTimeout,7,,\n"
    found = read(TABLE, ("h.csv", history), ("f.csv", failures))
    assert [(each.at_s, each.users, each.requests) for each in found.history] == [(0, 0, 0), (10, 1000, 400)]
    assert found.failed is not None
    assert (found.failed[0].name, found.failed[0].error, found.failed[0].occurrences) == ("GET /a", "ReadTimeout", 7)


@pytest.mark.parametrize(
    ("history", "words"),
    [
        (
            "1010,5,,Aggregated,1,5\n1004,5,,Aggregated,1,9\n",
            "h.csv, row 3: the clock goes back by 6 s; h.csv was left out",
        ),
        ("1010,-5,,Aggregated,1,5\n", "-5 is negative; h.csv was left out"),
        ("1010,5,,Aggregated,1,5\n1011,5,,Aggre", "row 3 has 4 of 6 cells"),
    ],
)
def test_history_that_is_wrong_is_named_and_the_rest_is_judged(history: str, words: str) -> None:
    found = read(TABLE, ("h.csv", HISTORY_HEADER + history))
    assert words in found.missing[0]
    diagnosis = judge(Run(found, STATED))
    assert diagnosis.missing == found.missing
    assert any(words in line for line in reports.lines(diagnosis, is_verbose=False))
    assert "98.7 %" in diagnosis.answer


def test_two_statistics_are_one_too_many() -> None:
    with pytest.raises(Unreadable, match=r"2 of these hold statistics, and one must: a\.csv, b\.csv"):
        read(TABLE, ("b.csv", TABLE))


def test_json_is_summed_and_its_start_is_before_the_first_answer() -> None:
    found = read(
        json.dumps([ENTRY, ENTRY | {"name": "/b", "response_times": {"500": 100}, "total_response_time": 50_000}])
    )
    assert (found.total.count, found.total.mean_s) == (200, pytest.approx(0.505))
    assert found.total.percentiles_s[50.0] == 0.5
    assert found.requests[0].percentiles_s[95.0] == 1.0
    assert found.seconds == pytest.approx(59.512)
    assert found.is_rounded


def test_percentile_is_the_bucket_under_which_so_many_lie() -> None:
    counted = {"num_requests": 1_000, "response_times": {"12": 989, "1000": 11}}
    assert read(json.dumps([ENTRY | counted])).total.percentiles_s[99.0] == 1.0
    counted = {"num_requests": 1_000, "response_times": {"12": 990, "1000": 10}}
    assert read(json.dumps([ENTRY | counted])).total.percentiles_s[99.0] == 0.012


def test_json_whose_clock_was_set_back_has_no_length() -> None:
    found = read(json.dumps([ENTRY | {"last_request_timestamp": 900.0}]))
    assert found.seconds is None
    assert "ends before it starts" in found.missing[0]
    assert Run(found, STATED).seconds == 60.0


def own() -> dict[str, Any]:
    """The form of demo.json."""
    kinds = [("01_jwt_auth", 200, 900.0), ("04_stock_reserve", 1_000, 500.0)]
    latencies = [
        {"name": name, "count": count, "failures": 0, "mean_ms": mean}
        | {"p50_ms": mean, "p95_ms": 2 * mean, "p99_ms": 3 * mean, "max_ms": 4 * mean, "encoded": ""}
        for name, count, mean in kinds
    ]
    part = {"scenario": "function_200_20", "seconds": 40.0, "requests_per_s": 30.0, "requests": 1_200, "failures": 0}
    part |= {"mean_ms": 566.7, "p50_ms": 500.0, "p95_ms": 1_700.0, "p99_ms": 2_600.0, "by_request": latencies}
    return {"scenario": {"users": 200, "spawn_rate": 20, "seconds": 40}, "published": {}, "report": part, "kit": part}


def test_result_of_the_kit_is_read_with_its_users() -> None:
    found = read(json.dumps(own()), configuration="kit")
    assert (found.users, found.spawn_rate_per_s, found.seconds, found.total.count) == (200, 20, 40, 1_200)
    assert found.total.rate_per_s == 30.0
    assert found.is_drained
    # Of answers that came after the end, the slowest tells how long they were waited for.
    assert found.total.max_s == 3.6
    run = Run(found, Stated(slots=9))
    assert run.in_system == pytest.approx(1_200 * 0.5667 / (40 + 3.6))
    assert run.service_at_most_s == pytest.approx(9 * (40 + 3.6) / 1_200)
    with pytest.raises(Unreadable, match="holds more than one run: --configuration kit or report"):
        read(json.dumps(own()))
    with pytest.raises(Unreadable, match="has no configuration mine"):
        read(json.dumps(own()), configuration="mine")
    with pytest.raises(Unreadable, match="is for the kit's own result"):
        read(TABLE, configuration="kit")


@pytest.mark.parametrize(
    ("measured_ms", "kept_ms", "width_ms"), [(99, 99, 1), (147, 150, 10), (3_432, 3_400, 100), (58_760, 59_000, 1_000)]
)
def test_steps_are_those_of_locust(measured_ms: int, kept_ms: int, width_ms: int) -> None:
    assert width_s(measured_ms / 1000) == width_ms / 1000
    assert is_bucket(kept_ms / 1000)
    assert measured_ms == kept_ms or not is_bucket(measured_ms / 1000)


PIECES = st.sampled_from(
    ["", "N/A", "0", "-1", "1e300", "nan", '"', '"1,5"', "Aggregated", "\n", ",", "é", "\x00", "100%", "17", "[", "{}"]
)


@st.composite
def tables(draw: st.DrawFn) -> str:
    """The report's table with cells, lines and tails that are not its own."""
    rows = list(csv.reader(io.StringIO(TABLE)))
    for _ in range(draw(st.integers(0, 5))):
        row = draw(st.integers(0, len(rows) - 1))
        rows[row][draw(st.integers(0, len(rows[row]) - 1))] = draw(PIECES)
    kept = draw(st.lists(st.sampled_from(rows), max_size=8)) if draw(st.booleans()) else rows
    text = "\n".join(",".join(row) for row in [rows[0], *kept[1:]])
    return text[: draw(st.integers(0, len(text)))] if draw(st.booleans()) else text


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 10**6),
    st.floats(),
    st.text(max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers()),
)


@st.composite
def entries(draw: st.DrawFn) -> str:
    """Locust's entry, or the kit's document, with values that are not its own."""
    if draw(st.booleans()):
        entry = ENTRY | draw(st.dictionaries(st.sampled_from(sorted(ENTRY)), VALUES, max_size=3))
        return json.dumps([entry] * draw(st.integers(0, 2)))
    document = own()
    document["kit"] |= draw(st.dictionaries(st.sampled_from(sorted(document["kit"])), VALUES, max_size=2))
    document["kit"]["by_request"] = draw(st.sampled_from([document["report"]["by_request"], [], [7], None]))
    document |= draw(st.dictionaries(st.sampled_from(["scenario", "kit", "report"]), VALUES, max_size=1))
    return json.dumps(document)


HISTORIES = st.lists(
    st.tuples(st.sampled_from([0, 1, 30, 59, 60, 61]), st.sampled_from([-1, 0, 1, 1000]), st.integers(0, 3_000)),
    max_size=6,
).map(lambda rows: HISTORY_HEADER + "".join(f"{at},{users},,Aggregated,0,{sent}\n" for at, users, sent in sorted(rows)))


@given(text=st.one_of(tables(), entries(), st.text(max_size=40)), history=HISTORIES, with_all=st.booleans())
@settings(max_examples=300, deadline=None)
def test_any_text_is_judged_or_refused(text: str, history: str, with_all: bool) -> None:
    others = (("h.csv", history),) if with_all else ()
    try:
        found = read(text, *others, configuration="kit" if text.startswith("{") else None)
    except Unreadable:
        return
    diagnosis = judge(Run(found, STATED if with_all else Stated()))
    assert diagnosis.answer.endswith(".")
    assert list(reports.lines(diagnosis, is_verbose=True))
    assert reports.markdown(diagnosis)
    json.dumps(reports.as_json(diagnosis), allow_nan=False)


def test_command_refuses_with_exit_code_two(tmp_path: Path) -> None:
    (tmp_path / "cut_stats.csv").write_text("Type,Na")
    for file in ("cut_stats.csv", "none_stats.csv", "."):
        done = hotrow("diagnose", file, cwd=tmp_path)
        assert done.returncode == 2
        assert done.stderr.startswith("hotrow: ")
        assert done.stdout == ""
