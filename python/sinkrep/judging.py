"""Which number decided a claim, told as the report's first screen tells it (reports/brief.cpp)."""

from __future__ import annotations

import math
from typing import Any, NamedTuple, Optional

from .folder import Record

# The outcomes of criteria and controls that bring a verdict about.
CAUSES = {"fail": ("fail", "fires"), "inconclusive": ("inconclusive",)}


class Decider(NamedTuple):
    """A metric, and what is asked of it: `op` and `threshold`. Of a control `op` is "within": |value| is to be below it."""

    metric: Record
    op: str
    threshold: float


def find_metric(record: Record, name: str) -> Optional[Record]:
    """The metric that judging used: the first one of this name, of a claim with stages the first one at the judged stage."""
    named = [metric for metric in record.get("metrics", []) if metric["name"] == name]
    stages = record.get("stages")
    judged = [metric for metric in named if not stages or metric.get("where", {}).get("spike") == stages[0]["spike"]]
    return next(iter(judged or named), None)


def decider(record: Record) -> Optional[Decider]:
    """What decided a fail or an open verdict, and of a pass its first criterion. None where nothing was judged, and where no
    number made the verdict: `reason` then says what did."""
    causes = CAUSES.get(record["verdict"], ())
    if record["verdict"] != "pass" and (not causes or _any_check_is_unmet(record)):
        return None
    for criterion in record.get("criteria", []):
        metric = find_metric(record, criterion["metric"])
        if metric is not None and (record["verdict"] == "pass" or criterion["outcome"] in causes):
            return Decider(metric, criterion["op"], criterion["threshold"])
    for control in record.get("controls", []):
        metric = find_metric(record, control["metric"])
        if metric is not None and control["outcome"] in causes:
            return Decider(metric, "within", _limit(record, control))
    return None


def agreement(record: Record) -> tuple[Optional[int], Optional[int]]:
    """How many variations agree with the verdict, and of how many that can be told. None of records before edition 2."""
    if "variations" not in record:
        return None, None
    told = [one["agrees"] for one in record["variations"] if one.get("agrees") is not None]
    return sum(map(bool, told)), len(told)


def order(record: Record) -> tuple[Any, ...]:
    """By which claims are sorted as in the report: by the paper's first figure, those without a figure last, then by name."""
    figures = record.get("paper", {}).get("figures")
    numbers = [figure for figure in figures if isinstance(figure, int)] if isinstance(figures, list) else []
    return min(numbers, default=math.inf), record["claim"]


def _any_check_is_unmet(record: Record) -> bool:
    return any(check["outcome"] not in ("pass", "") for check in record.get("checks", []))


def _limit(record: Record, control: Record) -> float:
    """A share of the effect, in the effect's unit; NaN where the effect was not measured."""
    effect = find_metric(record, control["of"])
    value = effect["value"] if effect else None
    return math.nan if value is None else float(control["fraction"] * abs(value))
