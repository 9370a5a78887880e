"""Indexes as text: read from CREATE INDEX and from JSON, put into a model's source and taken out again."""

import json
from pathlib import Path

import pytest

from tuning.whatif import definition, model_source, proof, workload
from tuning.whatif.errors import Unproven, Unwritten
from tuning.whatif.proof import Effect, Verdict
from tuning.whatif.query import Query
from tuning.whatif.trial import Look
from tuning.whatif.workload import Asked, written_columns
from tuning.whatif.writes import Cost, Writes


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("create index i on t (a)", "CREATE INDEX i ON t (a)"),
        ("CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON ONLY s.t USING btree (a DESC, b);",
         "CREATE UNIQUE INDEX i ON s.t (a DESC, b)"),
        ('CREATE INDEX "I" ON "order" USING gin (lower(a) gin_trgm_ops) WHERE b = \'x;y\' -- open',
         'CREATE INDEX "I" ON "order" USING gin (lower(a) gin_trgm_ops) WHERE b = \'x;y\''),
        ("CREATE INDEX i ON t (coalesce(a, b), c) INCLUDE (d, e)",
         "CREATE INDEX i ON t (coalesce(a, b), c) INCLUDE (d, e)"),
        ("CREATE INDEX ON t (a, b)", "CREATE INDEX t_a_b_idx ON t (a, b)"),
    ],
)  # fmt: skip
def test_index_is_read_and_written_again(text: str, written: str) -> None:
    found = definition.parse(text)
    assert found.sql(concurrently=False) == written
    assert definition.parse(found.sql(concurrently=True)) == found


@pytest.mark.parametrize(
    "text",
    [
        "", "SELECT 1", "CREATE INDEX i ON t (a); DROP TABLE t", "CREATE INDEX i ON t", "CREATE INDEX i ON t (a",
        "CREATE INDEX i ON t (a,)", "CREATE INDEX i ON t (a) WHERE", "CREATE INDEX i ON t (a) WITH (fillfactor = 9)",
        "CREATE INDEX i ON t (a)\0", f"CREATE INDEX {'i' * 64} ON t (a)", "CREATE INDEX ON", "CREATE INDEX i ON (a)",
    ],
)  # fmt: skip
def test_what_is_no_index_is_refused(text: str) -> None:
    with pytest.raises(Unproven):
        definition.parse(text)


@pytest.mark.parametrize(
    "content",
    ["{", "[]", "{}", '["x"]', '[{"table": "t"}]', '[{"table": "t", "columns": "a"}]', "[" * 100_000,
     '[{"table": "t", "columns": ["a); DROP TABLE t; --"]}]', '[{"table": "t", "columns": ["a"], "predicate": 5}]'],
)  # fmt: skip
def test_what_are_no_candidates_is_refused(content: str, tmp_path: Path) -> None:
    file = tmp_path / "suggested.json"
    file.write_text(content)
    with pytest.raises(Unproven):
        definition.candidates(file)


def test_candidates_are_read(tmp_path: Path) -> None:
    file = tmp_path / "suggested.json"
    entry = {"schema": "public", "table": "t", "columns": ["a"], "predicate": "b IS NULL", "reason": "x", "more": 1}
    file.write_text(json.dumps({"candidates": [entry]}))
    (found,) = definition.candidates(file)
    assert found.sql(concurrently=True).endswith("ON public.t (a) WHERE b IS NULL")
    assert len(found.name) <= 63


HEAD = "from django.db import models\n\n\n"
NEW = 'models.Index(fields=["a"], name="new")'


@pytest.mark.parametrize(
    "body",
    [
        "class T(models.Model):\n    a = models.TextField()  # größer",
        "class T(models.Model):\n    a = models.TextField()\n\n    class Meta:\n        db_table = 'ß'\n",
        "class T(models.Model):\n    class Meta:\n        indexes = []\n",
        'class T(models.Model):\n    class Meta:\n        indexes = [models.Index(fields=["ä"], name="old")]\n',
        (
            'class T(models.Model):\n    class Meta:\n        indexes = [\n            models.Index("a", name="old"),\n'
            "        ]\n"
        ),
    ],
)
def test_entry_is_put_into_a_model_and_taken_out(body: str) -> None:
    added = model_source.added(HEAD + body, "T", NEW)
    compile(added, "models.py", "exec")
    assert added.count(NEW) == 1
    removed = model_source.removed(added, "T", "new")
    compile(removed, "models.py", "exec")
    assert '"new"' not in removed
    assert ("old" in body) == ("old" in removed)
    with pytest.raises(Unwritten):
        model_source.removed(removed, "T", "new")


@pytest.mark.parametrize(
    "source",
    [HEAD, "class T:\n    pass\n", HEAD + "class T(models.Model):\n    class Meta:\n        indexes = OTHERS\n"],
)
def test_model_that_cannot_be_edited_surely_is_refused(source: str) -> None:
    with pytest.raises(Unwritten):
        model_source.added(source, "T", NEW)


def effect(before: int, after: int, calls: int = 1, *, uses: bool = True) -> Effect:
    query = Query("f", "t", "SELECT 1", calls=calls)
    return Effect(Look(query, blocks=before), Look(query, blocks=after), uses)


def written(hot: float, blocks: float) -> Writes:
    return Writes(100, Cost(1, 1, 1), Cost(blocks, 1, 1), hot, ("a",))


@pytest.mark.parametrize(
    ("effects", "hot", "calls", "verdict"),
    [
        ([effect(100, 50)], 1.0, 10, Verdict.HELPS),
        ([effect(100, 51)], 1.0, 10, Verdict.USELESS),
        ([effect(9, 1)], 1.0, 10, Verdict.USELESS),
        ([effect(100, 10, uses=False)], 1.0, 10, Verdict.USELESS),
        ([effect(100, 90)], 0.0, 10, Verdict.HARMS),
        ([effect(100, 50)], 0.0, 1, Verdict.HELPS),
        ([effect(100, 50)], 0.0, 1000, Verdict.HARMS),
        ([], 1.0, 10, Verdict.UNKNOWN),
    ],
)
def test_verdict_follows_from_the_figures(effects: list[Effect], hot: float, calls: int, verdict: Verdict) -> None:
    found, reason = proof.judge(effects, written(1.0, 2.0), written(hot, 5.0), calls)
    assert (found, bool(reason)) == (verdict, True)


def test_columns_that_updates_set_are_found() -> None:
    texts = [
        'UPDATE s.t SET a = 1, "B" = (SELECT c FROM d WHERE e = 2) WHERE f = 3',
        "UPDATE other SET g = 1",
        "SELECT 1",
    ]
    queries = [Query("f", "t", text, calls=5, is_write=text.startswith("U")) for text in texts]
    assert written_columns(queries, "t") == (("a", "B"), 5)


def test_calls_are_grouped_over_the_files_of_all_processes(tmp_path: Path) -> None:
    line = json.dumps({"v": 1, "sql": "SELECT a FROM t WHERE a = 1", "params": [], "duration_ms": 2, "route": "/a"})
    for name, text in {
        "1.jsonl": line,
        "2.jsonl": f"{line}\nbroken\n{line}",
        "idle.jsonl": "",
        "by_hand.sql": "SELECT 2",
    }.items():
        (tmp_path / name).write_text(f"{text}\n")
    paths = tuple(str(path) for path in sorted(tmp_path.iterdir()))
    found, notes = workload.read(Asked(paths), "", lambda text, _: text)
    assert [(each.sql, each.calls, each.total_ms) for each in found] == [
        ("SELECT a FROM t WHERE a = 1", 3, 6.0),
        ("SELECT 2", 1, 0.0),
    ]
    assert len(notes) == 1
    assert "1 lines of" in notes[0]
    with pytest.raises(Unproven, match=r"idle\.jsonl"):
        workload.read(Asked((str(tmp_path / "idle.jsonl"),)), "", lambda text, _: text)
