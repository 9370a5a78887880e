"""``hotrow diagnose`` as people and CI call it: forms, files beside the statistics, options, exit codes."""

import json
import re
from pathlib import Path

import pytest

from tests.unit.command import ROOT, Done, hotrow
from tuning.diagnose.limits import load as load_limits
from tuning.diagnose.rules import load

TABLE = ROOT / "tests/data/report_stats.csv"
SCENARIO = ("--slots", "9", "--users", "1000", "--spawn-rate", "50", "--seconds", "60")


def diagnose(*options: str) -> Done:
    return hotrow("diagnose", str(TABLE), *options)


def test_text_begins_with_the_answer_and_ends_with_what_is_not_concluded() -> None:
    done = diagnose(*SCENARIO)
    lines = done.stdout.splitlines()
    assert lines[0].startswith("98.7 % of the mean response time")
    found, untold = done.stdout.split("Not concluded:")
    outcomes = re.findall(r"^(FAIL|WARN|OK) ", found, re.MULTILINE)
    assert outcomes == sorted(outcomes, key=["FAIL", "WARN", "OK"].index)
    assert "SKIP lock-contention" in untold
    assert "Little's law" not in done.stdout
    assert "Little's law, N = X R" in diagnose(*SCENARIO, "--verbose").stdout
    assert lines[-1].startswith(f"{len(load())} rules: 1 FAIL")


def test_exit_code_follows_the_worst_that_is_asked_for() -> None:
    assert diagnose(*SCENARIO).returncode == 1
    assert diagnose(*SCENARIO, "--fail-on", "never").returncode == 0
    assert diagnose().returncode == 0
    assert diagnose("--fail-on", "warn").returncode == 1


def test_json_and_markdown_tell_the_same() -> None:
    found = json.loads(diagnose(*SCENARIO, "--json").stdout)
    assert found == json.loads(diagnose(*SCENARIO, "--format", "json").stdout)
    assert sum(found["counts"].values()) == len(found["verdicts"]) == len(load())
    markdown = diagnose(*SCENARIO, "--format", "markdown").stdout
    assert markdown.startswith(f"**{found['answer']}**\n")
    for verdict in found["verdicts"]:
        assert f"`{verdict['rule']}`" in markdown


def test_statistics_come_from_standard_input_too() -> None:
    done = hotrow("diagnose", "-", *SCENARIO, stdin=TABLE.read_bytes())
    assert done.stdout.splitlines()[0] == diagnose(*SCENARIO).stdout.splitlines()[0]
    assert "standard input, Locust's statistics" in done.stdout


def test_files_of_the_same_prefix_are_read_and_others_are_not(tmp_path: Path) -> None:
    for prefix in ("run", "other"):
        (tmp_path / f"{prefix}_stats.csv").write_bytes(TABLE.read_bytes())
    (tmp_path / "run_failures.csv").write_text("Method,Name,Error,Occurrences\n")
    history = "Timestamp,User Count,Type,Name,Total Request Count\n0,0,,Aggregated,0\n60,1000,,Aggregated,2400\n"
    (tmp_path / "run_stats_history.csv").write_text(history)
    assert "a history of 2 rows." in hotrow("diagnose", "run_stats.csv", cwd=tmp_path).stdout
    assert "a history of" not in hotrow("diagnose", "other_stats.csv", cwd=tmp_path).stdout
    assert "a history of 2 rows." in hotrow("diagnose", "other_stats.csv", "run_stats_history.csv", cwd=tmp_path).stdout


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--seconds", "0"), "--seconds 0: it must be above 0"),
        (("--seconds", "nan"), "--seconds nan: it must be above 0"),
        (("--think-s", "-1"), "--think-s -1: it must be at least 0"),
        (("--weights", "a"), "--weights a: write NAME=NUMBER,NAME=NUMBER"),
        (("--weights", "a=0"), "with a number above 0"),
        (("--login", "/nothing"), "--login /nothing: the requests are POST /01_jwt_auth, GET /02_product_list"),
        (("--configuration", "kit"), "is for the kit's own result"),
    ],
)
def test_option_that_cannot_be_meant_is_refused(options: tuple[str, ...], words: str) -> None:
    done = diagnose(*options)
    assert done.returncode == 2
    assert words in done.stderr


def test_weights_and_login_are_named_with_or_without_their_method() -> None:
    weights = "/02_product_list=1029,GET /03_stock_availability=303,/04_stock_reserve=144"
    found = json.loads(diagnose(*SCENARIO, "--weights", weights, "--login", "/01_jwt_auth", "--json").stdout)
    outcomes = {verdict["rule"]: verdict["outcome"] for verdict in found["verdicts"]}
    assert (outcomes["mix-and-weights"], outcomes["login-dominates"]) == ("OK", "WARN")


def test_rules_are_listed_and_shown() -> None:
    listed = json.loads(hotrow("rules", "list", "--json").stdout)
    both = {rule.id for rule in (*load(), *load_limits())}
    assert both == {rule["id"] for rule in listed if rule["from"] == "hotrow diagnose"}
    shown = hotrow("rules", "show", "lock-contention").stdout
    assert "pg_blocking_pids" in shown
    for word in ("When: ", "Why: ", "Remedy: "):
        assert word in shown
