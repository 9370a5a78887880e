"""A timeline is read as it was written, and says what it lacks."""

from pathlib import Path

import pytest

from tuning import timeline
from tuning.timeline import Header, Sample, Source, TimelineError, Writer

HEADER = Header(1_700_000_000.0, (Source("postgresql", None, 0.1), Source("redis", "connection refused")), {"cores": 2})


def written(path: Path) -> Path:
    with path.open("w") as file:
        writer = Writer(file, HEADER)
        writer.add(0.1, timeline.LOAD, {"users": 1})
        writer.add(0.2, timeline.LOAD, {"users": 2})
    return path


def test_timeline_is_read_as_it_was_written(tmp_path: Path) -> None:
    found = timeline.read(written(tmp_path / "timeline.jsonl"))
    assert found.header == HEADER
    assert found.of(timeline.LOAD) == (
        Sample(0.1, timeline.LOAD, {"users": 1}),
        Sample(0.2, timeline.LOAD, {"users": 2}),
    )
    assert not found.of(timeline.POOLER)
    assert not found.notes
    assert found.seconds == pytest.approx(0.1)


def test_timeline_notes_a_last_line_that_was_cut(tmp_path: Path) -> None:
    path = written(tmp_path / "timeline.jsonl")
    path.write_text(path.read_text()[:-5])
    found = timeline.read(path)
    assert len(found.samples) == 1
    assert "was cut" in found.notes[0]


def test_timeline_notes_a_clock_that_went_back(tmp_path: Path) -> None:
    path = tmp_path / "timeline.jsonl"
    with path.open("w") as file:
        writer = Writer(file, HEADER)
        writer.add(5, timeline.LOAD, {"users": 1})
        writer.add(2, timeline.LOAD, {"users": 2})
    found = timeline.read(path)
    assert [sample.t for sample in found.samples] == [2, 5]
    assert "clock went back" in found.notes[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("{}\n", "no timeline"),
        ("name,count\n", "line 1 is broken"),
        ('{"format":"hotrow-timeline/1"}\n', "lacks"),
        ('{"format":"hotrow-timeline/1","started":1,"sources":[],"facts":{}}\nx\n{}\n', "line 2 is broken"),
        ('{"format":"hotrow-timeline/1","started":1,"sources":[],"facts":{}}\n{"t":1}\n', "no sample"),
    ],
)
def test_timeline_that_is_none_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "timeline.jsonl"
    path.write_text(text)
    with pytest.raises(TimelineError, match=message):
        timeline.read(path)
