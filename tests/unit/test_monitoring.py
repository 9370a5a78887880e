"""monitoring/: Prometheus takes it, each alert fires with its fault alone, and somebody shows each metric."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.unit.compose_rules import FILE
from tests.unit.monitoring_files import (
    ALERTS,
    DASHBOARDS,
    MONITORING,
    OF_EXPORTERS,
    ROOT,
    Query,
    of_dashboards,
    of_rules,
    panels,
    rules,
    unknown,
)

# Those of the error budget last days, and are decided every 5 minutes instead of every 15 s.
CASES = sorted((ROOT / "tests/data").glob("*alerts.test.yml"))
NAMED = [rule["alert"] for rule in rules() if "alert" in rule]
QUERIES = [*of_dashboards(), *of_rules()]


def promtool(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    program = shutil.which("promtool")
    assert program is not None, "promtool is missing: hotrow setup --tests, which installs the package prometheus"
    return subprocess.run([program, *arguments], cwd=cwd, capture_output=True, text=True)


def test_prometheus_takes_its_files() -> None:
    done = promtool("check", "config", str(MONITORING / "prometheus.yml"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(rules())} rules found" in done.stdout


def test_broken_rule_is_refused(tmp_path: Path) -> None:
    text = ALERTS.read_text()
    assert "pg_up == 0" in text
    (tmp_path / "alerts.yml").write_text(text.replace("pg_up == 0", "pg_up === 0", 1))
    assert promtool("check", "rules", str(tmp_path / "alerts.yml")).returncode != 0


def test_each_alert_fires_with_its_fault_and_not_without() -> None:
    done = promtool("test", "rules", *map(str, CASES))
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_has_a_case_with_the_fault_and_one_without() -> None:
    asked = [
        case for file in CASES for test in yaml.safe_load(file.read_text())["tests"] for case in test["alert_rule_test"]
    ]
    assert {case["alertname"] for case in asked if case["exp_alerts"]} == set(NAMED)
    assert {case["alertname"] for case in asked if not case["exp_alerts"]} == set(NAMED)


@pytest.mark.parametrize("changed", ["({}) and on () vector(1) > 2", "vector(1)"])
def test_alert_that_never_or_always_fires_is_found(tmp_path: Path, changed: str) -> None:
    """The cases can fail: with every rule changed, those of each alert do."""
    whole = yaml.safe_load(ALERTS.read_text())
    for group in whole["groups"]:
        for rule in group["rules"]:
            if "alert" in rule:
                rule["expr"] = changed.format(rule["expr"])
    (tmp_path / "alerts.yml").write_text(yaml.safe_dump(whole))
    for file in CASES:
        cases = yaml.safe_load(file.read_text()) | {"rule_files": ["alerts.yml"]}
        (tmp_path / file.name).write_text(yaml.safe_dump(cases))
    done = promtool("test", "rules", *(file.name for file in CASES), cwd=tmp_path)
    assert done.returncode != 0
    assert [name for name in NAMED if f"alertname: {name}," not in done.stdout + done.stderr] == []


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.where)
def test_every_metric_is_shown_by_somebody(query: Query) -> None:
    assert query.metrics or "hotrow:" in query.expression
    assert unknown(query) == set()


def test_metric_that_nobody_shows_is_found() -> None:
    asked = Query("x", 'sum by (le, route) (rate(hotrow_sold_total{status="5xx"}[5m])) / on (job) pg_up > 0')
    assert asked.metrics == {"hotrow_sold_total", "pg_up"}
    assert unknown(asked) == {"hotrow_sold_total"}


def test_list_of_the_exporters_metrics_has_no_more_than_is_asked() -> None:
    asked = set().union(*(query.metrics for query in QUERIES))
    assert set().union(*OF_EXPORTERS.values()) <= asked


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.stem)
def test_panel_has_a_unit_and_says_what_to_look_for(file: Path) -> None:
    found = panels(file)
    assert found
    assert [it["id"] for it in found] == list(range(1, len(found) + 1))
    for panel in found:
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert re.search(r"\w.*\.$", panel["description"]), panel["title"]
        assert panel["datasource"]["uid"] == "prometheus"
        assert all(target["expr"] and target["legendFormat"] for target in panel["targets"])


def test_every_dashboard_is_mounted_in_grafana() -> None:
    mounted = set(re.findall(r"monitoring/dashboards/([\w]+\.json)", FILE.read_text()))
    assert mounted == {file.name for file in DASHBOARDS}
    assert {file.stem for file in DASHBOARDS} == {"service", "reservations", "lane", "postgresql", "pgbouncer", "redis"}


def test_every_alert_says_how_bad_it_is_and_what_to_do() -> None:
    anchors = {
        f"docs/howto/monitoring.md#{heading.lower().replace(' ', '-')}"
        for heading in re.findall(r"^#+ (.+)$", (ROOT / "docs/howto/monitoring.md").read_text(), re.MULTILINE)
    }
    for rule in rules():
        if "alert" in rule:
            assert rule["labels"]["severity"] in ("page", "ticket"), rule["alert"]
            assert rule["annotations"]["summary"]
            assert rule["annotations"]["runbook"] in anchors, rule["alert"]
            assert "for" in rule
