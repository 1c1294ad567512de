import re
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from milepost_projector.metrics import COUNTERS, HISTOGRAMS
from tests.unit.projector.observed import Assignment, Clock, a_progress, a_registry

ROOT = Path(__file__).parents[3]
ALERTS = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yaml").read_text())
PAGE = (ROOT / "docs/operating.md").read_text()
RULES: list[dict[str, Any]] = [rule for group in ALERTS["groups"] for rule in group["rules"]]
NAME = re.compile(r"\bmilepost_[a-z_]+")
LABELS = {name: set(labels) for name, (_, labels) in COUNTERS.items()}


def exported() -> set[str]:
    """The names by which Prometheus knows what the projector exports."""
    families = a_registry(a_progress(Assignment(), Clock())).collect()
    of_types = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
    return {each.name + suffix for each in families for suffix in of_types[each.type]}


@pytest.mark.parametrize("rule", RULES, ids=[rule["alert"] for rule in RULES])
def test_an_alert_asks_only_for_metrics_that_there_are(rule: dict[str, Any]) -> None:
    promql_parser.parse(rule["expr"])
    names = set(NAME.findall(rule["expr"]))
    assert names
    assert names <= exported()


@pytest.mark.parametrize("rule", RULES, ids=[rule["alert"] for rule in RULES])
def test_an_alert_says_how_urgent_it_is_what_is_wrong_and_what_that_means(
    rule: dict[str, Any],
) -> None:
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert rule["annotations"].keys() == {"summary", "description"}


def test_dead_letters_raise_an_alert_by_source_and_reason() -> None:
    [rule] = [rule for rule in RULES if rule["alert"] == "MilepostDeadLetters"]
    assert LABELS["milepost_dead_letters_total"] == {"ce_source", "reason"}
    assert "sum by (ce_source, reason)" in rule["expr"]


def test_every_alert_is_in_the_operators_page() -> None:
    assert [rule["alert"] for rule in RULES if f"`{rule['alert']}`" not in PAGE] == []


def test_the_operators_page_explains_every_metric_and_no_other() -> None:
    families = a_registry(a_progress(Assignment(), Clock())).collect()
    names = {each.name + ("_total" if each.type == "counter" else "") for each in families}
    assert names >= COUNTERS.keys() | HISTOGRAMS.keys()
    assert set(NAME.findall(PAGE)) == names
