"""Prometheus' text form: https://prometheus.io/docs/instrumenting/exposition_formats/."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Metric:
    """What is measured. `unit` and kind are in its name too, by Prometheus' rules."""

    name: str
    help: str
    kind: Literal["gauge", "counter", "histogram"] = "gauge"


@dataclass(frozen=True)
class Sample:
    """One number of a metric. `part` is what a histogram appends to its name."""

    metric: Metric
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)
    part: str = ""


def text(samples: Iterable[Sample]) -> str:
    """All samples, those of a metric together; of two with the same labels the last, for Prometheus takes no two."""
    found: dict[Metric, dict[str, float]] = {}
    for one in samples:
        found.setdefault(one.metric, {})[f"{one.metric.name}{one.part}{_labels(one.labels)}"] = one.value
    return "".join(_family(metric, lines) for metric, lines in found.items())


def _family(metric: Metric, lines: Mapping[str, float]) -> str:
    head = f"# HELP {metric.name} {metric.help}\n# TYPE {metric.name} {metric.kind}\n"
    return head + "".join(f"{name} {number(value)}\n" for name, value in lines.items())


def number(value: float) -> str:
    """As short as it can be without a loss."""
    return str(int(value)) if value == int(value) else repr(float(value))


def _labels(labels: Mapping[str, str]) -> str:
    """Without one whose value is nothing, which Prometheus takes for the same."""
    pairs = [f'{name}="{_escaped(value)}"' for name, value in labels.items() if value]
    return f"{{{','.join(pairs)}}}" if pairs else ""


def _escaped(value: str) -> str:
    clean = value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return clean.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
