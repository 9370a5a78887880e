"""``hotrow index drop``: a useless index, a duplicate, a prefix twin, and one that a rare report needs."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.index.conftest import CALLS, Lab, lines


def judged(lab: Lab, *arguments: str) -> dict[str, dict[str, Any]]:
    done = lab.hotrow("drop", "--json", *arguments)
    assert done.returncode in (0, 1), done.stderr
    found = json.loads(done.stdout)["indexes"]
    assert done.returncode == any(each["verdict"] == "can go" for each in found)
    return {each["name"]: each for each in found}


def test_each_planted_index_is_judged_right(lab: Lab, capture: Path) -> None:
    lab.connection.execute("SELECT pg_stat_reset()")
    before = lab.state()
    found = judged(lab, "--workload", str(capture), "--statistics-days", "0")
    verdicts = {name: each["verdict"] for name, each in found.items()}
    assert verdicts == {
        "purchase_useless_idx": "can go",
        "purchase_created_idx": "keep",
        "purchase_created_again_idx": "can go",
        "purchase_status_idx": "can go",
        "purchase_status_created_idx": "keep",
        "purchase_big_idx": "keep",
        "purchase_customer_idx": "keep",
        "purchase_pkey": "keep",
        "customer_pkey": "keep",
        "customer_email_key": "keep",
    }
    assert "none of 6 statements uses it" in found["purchase_useless_idx"]["reason"]
    assert "the same index as public.purchase_created_idx" in found["purchase_created_again_idx"]["reason"]
    assert "purchase_status_created_idx begins with" in found["purchase_status_idx"]["reason"]
    assert "/yearly" in found["purchase_big_idx"]["reason"]
    assert "(1 calls)" in found["purchase_big_idx"]["reason"]
    assert "foreign key" in found["purchase_customer_idx"]["reason"]
    assert "constraint customer_email_key" in found["customer_email_key"]["reason"]
    going = [each for each in found.values() if each["verdict"] == "can go"]
    assert [each["bytes"] for each in going] == sorted((each["bytes"] for each in going), reverse=True)
    assert found["purchase_useless_idx"]["wal_bytes_saved_a_row"] > 20
    assert lab.state() == before


def test_index_that_only_the_report_needs_goes_where_nobody_sends_it(lab: Lab, tmp_path: Path) -> None:
    lab.connection.execute("SELECT pg_stat_reset()")
    file = tmp_path / "without.jsonl"
    file.write_text(lines([each for each in CALLS if each[3] != "/yearly"]))
    found = judged(lab, str(file), "--statistics-days", "0")
    assert found["purchase_big_idx"]["verdict"] == "can go"
    # Somebody does after all: the server has counted it.
    lab.connection.execute("SET enable_seqscan = off")
    lab.connection.execute("SELECT id FROM purchase WHERE total > 990 AND note = 'x'")
    lab.connection.execute("RESET enable_seqscan")
    lab.connection.execute("SELECT pg_stat_force_next_flush()")
    lab.connection.execute("SELECT 1")
    found = judged(lab, str(file), "--statistics-days", "0")
    assert found["purchase_big_idx"]["verdict"] == "unsure"
    assert "scanned 1 times" in found["purchase_big_idx"]["reason"]


def test_young_statistics_decide_nothing_but_twins(lab: Lab, capture: Path) -> None:
    found = judged(lab, str(capture))
    assert found["purchase_useless_idx"]["verdict"] == "unsure"
    assert "7 are the least" in found["purchase_useless_idx"]["reason"]
    assert found["purchase_created_again_idx"]["verdict"] == "can go"


@pytest.mark.parametrize(
    ("arguments", "words"), [((), "no statement"), (("--from", "elsewhere"), "pg_stat_statements")]
)
def test_what_cannot_be_judged_is_said(lab: Lab, arguments: tuple[str, ...], words: str) -> None:
    done = lab.hotrow("drop", *arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
