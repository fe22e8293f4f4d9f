"""Prometheus takes our configuration, every alert is shown to fire, and Grafana finds what it is pointed to."""

import re
import shutil
import subprocess
from pathlib import Path

import yaml

from tests.support.monitoring_files import DASHBOARD, DEPLOY, PROMETHEUS, RULES, dashboard_expressions

GRAFANA = DEPLOY / "grafana"


def promtool(*arguments: str | Path) -> str:
    """What promtool says; it must agree."""
    found = shutil.which("promtool")
    assert found, "there is no promtool; `make promtool` installs it"
    ended = subprocess.run([found, *map(str, arguments)], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_prometheus_takes_configuration_and_rules() -> None:
    assert f"{len(RULES)} rules found" in promtool("check", "config", PROMETHEUS / "prometheus.yaml")


def test_the_rules_fire_when_they_should_and_not_otherwise() -> None:
    promtool("test", "rules", PROMETHEUS / "rules.test.yaml")


def test_a_rule_that_does_not_fire_is_noticed(tmp_path: Path) -> None:
    rules = (PROMETHEUS / "rules.yaml").read_text()
    (tmp_path / "rules.yaml").write_text(
        rules.replace("perps_dma_unknown_oldest_seconds) > 120", "absent_metric) > 120")
    )
    shutil.copy(PROMETHEUS / "rules.test.yaml", tmp_path)
    found = shutil.which("promtool")
    assert found
    ended = subprocess.run([found, "test", "rules", tmp_path / "rules.test.yaml"], capture_output=True, check=False)
    assert ended.returncode != 0


def test_every_alert_has_a_test_in_which_it_fires() -> None:
    tests = yaml.safe_load((PROMETHEUS / "rules.test.yaml").read_text())["tests"]
    samples = [sample for test in tests for row in test["promql_expr_test"] for sample in row["exp_samples"]]
    fired = {name for sample in samples for name in re.findall(r'alertname="(\w+)"', sample["labels"])}
    assert fired == {rule["alert"] for rule in RULES}


def test_every_alert_says_what_it_means_and_how_urgent_it_is() -> None:
    for rule in RULES:
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert rule["annotations"].keys() == {"summary", "description", "runbook"}


def test_prometheus_understands_every_panel_of_the_dashboard(tmp_path: Path) -> None:
    asked = [text.replace("$__rate_interval", "1m").replace("$venue", ".*") for text in dashboard_expressions()]
    recorded = [{"record": f"panel:{number}", "expr": text} for number, text in enumerate(asked)]
    file = tmp_path / "panels.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": recorded}]}))
    assert f"{len(asked)} rules found" in promtool("check", "rules", file)


def test_the_panels_stand_side_by_side_and_none_is_asked_twice() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert max(x for x, _ in cells) < 24
        assert not taken & cells, panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_the_dashboard_asks_the_data_source_that_is_provisioned() -> None:
    (source,) = yaml.safe_load((GRAFANA / "provisioning/datasources/prometheus.yaml").read_text())["datasources"]
    asked = {panel["datasource"]["uid"] for panel in DASHBOARD["panels"] if panel["type"] != "row"}
    assert asked == {source["uid"]}
