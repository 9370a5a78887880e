"""HypoPG where the target has it: costs beside the proof in the copy, and nothing left in the target."""

import json

import psycopg

from tests.integration.index.conftest import Lab

SLOW = "SELECT id FROM purchase WHERE total = 5 AND note = 'x'"


def test_costs_of_the_target_stand_beside_the_blocks_of_the_copy(old_lab: Lab) -> None:
    before = old_lab.state()
    done = old_lab.hotrow(
        "prove", "--json", "--sql", "SELECT id FROM purchase WHERE note = 'x'", "--index",
        "CREATE INDEX wanted ON purchase (note)", "--index", "CREATE INDEX g ON purchase USING gin (note gin_trgm_ops)",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    wanted, grams = found["indexes"]
    assert wanted["verdict"] == "helps"
    (cost,) = wanted["hypopg"]
    assert cost["cost_without"] > 10 * cost["cost_with"]
    assert grams["hypopg"] == []
    assert any("HypoPG knows no gin" in note for note in found["notes"])
    assert old_lab.state() == before
    with psycopg.connect(old_lab.dsn) as connection:
        assert connection.execute("SELECT count(*) FROM hypopg_list_indexes").fetchone() == (0,)
