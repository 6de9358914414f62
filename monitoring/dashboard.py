"""The dashboard for Grafana, as code. `make dashboard` writes its JSON beside this module."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from grafana_foundation_sdk.builders import stat, timeseries
from grafana_foundation_sdk.builders.common import ReduceDataOptions, VizLegendOptions
from grafana_foundation_sdk.builders.dashboard import (
    Dashboard,
    DatasourceVariable,
    QueryVariable,
    Row,
    ThresholdsConfig,
)
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import LegendPlacement
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DataSourceRef,
    Threshold,
    ThresholdsMode,
    VariableRefresh,
)

PATH = Path(__file__).with_name("dashboard.json")
"""Where the JSON lies in the repository."""

SOURCE = DataSourceRef(type_val="prometheus", uid="${source}")
HERE = 'instance=~"$instance"'
"""The registries that are chosen above the panels."""

_HIT, _CACHED, _FAILED = (
    ',kind=~"blob|manifest",cache="hit"',
    ',kind=~"blob|manifest",cache=~"hit|miss"',
    ',status=~"5.."',
)
_THIRD, _HALF, _SIXTH = 8, 12, 4
_HEIGHT, _LOW = 8, 4
_LEVELS = [Threshold(0, "green"), Threshold(1, "orange"), Threshold(2, "red")]
_COLOURS = [Threshold(0, "green"), Threshold(0.8, "orange"), Threshold(0.95, "red")]


@dataclass(frozen=True)
class Graph:
    """A panel: what it shows, in which unit, and queries, each with what its lines are called."""

    title: str
    unit: str
    queries: Sequence[tuple[str, str]]
    span: int = _HALF
    thresholds: Sequence[Threshold] = ()
    """With some it is a number in the colour of its level, not a line."""


def _rate(metric: str, by: str, match: str = "") -> str:
    return f"sum by ({by}) (rate({metric}{{{HERE}{match}}}[$__rate_interval]))"


REQUESTS, SENT = "docker_registry_http_requests_total", "docker_registry_http_response_body_bytes_total"
RECEIVED, TOOK = "docker_registry_http_request_bytes_total", "docker_registry_http_request_duration_seconds"


# Without an account is nobody, or who was refused.
_OF_ACCOUNTS = [
    (f"docker_registry_account_{what}_total", "account", ',account!=""')
    for what in ("requests", "response_body_bytes", "request_bytes")
]


def _here(metric: str, more: str = "") -> str:
    return f"{metric}{{{HERE}{more}}}"


def _quantile(share: float) -> str:
    return f"histogram_quantile({share}, {_rate(f'{TOOK}_bucket', 'kind, le')})"


ROWS: dict[str, tuple[Graph, ...]] = {
    "Health": (
        Graph(
            "Containers",
            "short",
            [(f'max by (item) (docker_registry_status{{{HERE},concern="containers"}})', "{{item}}")],
            _HALF,
            _LEVELS,
        ),
        Graph(
            "Everything else",
            "short",
            [(f'max by (concern) (docker_registry_status{{{HERE},concern!="containers"}})', "{{concern}}")],
            _HALF,
            _LEVELS,
        ),
        Graph(
            "Certificate ends in",
            "s",
            [(f"docker_registry_certificate_expiry_timestamp_seconds{{{HERE}}} - time()", "{{instance}}")],
            _THIRD,
        ),
        Graph(
            "Runs that failed last",
            "short",
            [(_here("docker_registry_timer_last_run_failed"), "{{timer}}")],
            _THIRD,
        ),
        Graph(
            "Age of the metrics",
            "s",
            [(f"time() - docker_registry_metrics_timestamp_seconds{{{HERE}}}", "{{instance}}")],
            _THIRD,
        ),
    ),
    "Traffic": (
        Graph("Requests by kind", "reqps", [(_rate(REQUESTS, "kind"), "{{kind}}")]),
        Graph("Requests by status", "reqps", [(_rate(REQUESTS, "status"), "{{status}}")]),
        Graph("Sent by kind", "Bps", [(_rate(SENT, "kind"), "{{kind}}")]),
        Graph("Received by kind", "Bps", [(_rate(RECEIVED, "kind"), "{{kind}}")]),
        Graph("Sent by group of repositories", "Bps", [(f"topk(10, {_rate(SENT, 'group')})", "{{group}}")]),
        Graph("Requests by group of repositories", "reqps", [(f"topk(10, {_rate(REQUESTS, 'group')})", "{{group}}")]),
    ),
    "Top clients": (
        Graph("Requests by account", "reqps", [(f"topk(10, {_rate(*_OF_ACCOUNTS[0])})", "{{account}}")], _THIRD),
        Graph("Sent by account", "Bps", [(f"topk(10, {_rate(*_OF_ACCOUNTS[1])})", "{{account}}")], _THIRD),
        Graph("Received by account", "Bps", [(f"topk(10, {_rate(*_OF_ACCOUNTS[2])})", "{{account}}")], _THIRD),
    ),
    "How well": (
        Graph("Half of the requests within", "s", [(_quantile(0.5), "{{kind}}")], _THIRD),
        Graph("95 % of the requests within", "s", [(_quantile(0.95), "{{kind}}")], _THIRD),
        Graph(
            "Served without the registry",
            "percentunit",
            [
                (
                    f"{_rate(REQUESTS, 'kind', _HIT)} / {_rate(REQUESTS, 'kind', _CACHED)}",
                    "{{kind}}",
                )
            ],
            _THIRD,
        ),
        Graph(
            "Share of 5xx",
            "percentunit",
            [(f"{_rate(REQUESTS, 'instance', _FAILED)} / {_rate(REQUESTS, 'instance')}", "{{instance}}")],
        ),
        Graph("Logins that failed", "reqps", [(_rate("docker_registry_logins_failed_total", "reason"), "{{reason}}")]),
    ),
    "Storage": (
        Graph("Used", "percentunit", [(_here("docker_registry_disk_used_ratio"), "{{disk}}")], _SIXTH, _COLOURS),
        Graph("Free", "bytes", [(_here("docker_registry_disk_free_bytes"), "{{disk}}")], _THIRD),
        Graph(
            "Growth in a day", "bytes", [(f"-delta({_here('docker_registry_disk_free_bytes')}[1d])", "{{disk}}")], _HALF
        ),
        Graph(
            "Largest repositories",
            "bytes",
            [(f"topk(10, {_here('docker_registry_repository_size_bytes')})", "{{repository}}")],
        ),
        Graph("Images, by who holds them", "bytes", [(_here("docker_registry_storage_bytes"), "{{held_by}}")]),
        Graph(
            "Pushes and deletions wait", "short", [(_here("docker_registry_writes_held_off"), "{{instance}}")], _THIRD
        ),
        Graph(
            "Age of the last good backup",
            "s",
            [(f"time() - docker_registry_backup_last_success_timestamp_seconds{{{HERE}}}", "{{instance}}")],
            _THIRD,
        ),
        Graph(
            "Removals that can be brought back",
            "short",
            [(_here("docker_registry_trash_runs"), "{{instance}}")],
            _THIRD,
        ),
    ),
}


def _panel(graph: Graph) -> stat.Panel | timeseries.Panel:
    panel: stat.Panel | timeseries.Panel
    if graph.thresholds:
        steps = ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(list(graph.thresholds))
        panel = stat.Panel().thresholds(steps).reduce_options(ReduceDataOptions().calcs(["lastNotNull"])).height(_LOW)
    else:
        legend = VizLegendOptions().placement(LegendPlacement.BOTTOM).show_legend(show_legend=True)
        panel = timeseries.Panel().legend(legend).min(0).height(_HEIGHT)
    panel = panel.title(graph.title).unit(graph.unit).span(graph.span).datasource(SOURCE)
    for place, (query, name) in enumerate(graph.queries):
        panel = panel.with_target(Dataquery().expr(query).legend_format(name).ref_id(chr(ord("A") + place)))
    return panel


def build() -> Dashboard:
    """The whole of it."""
    instances = (
        QueryVariable("instance")
        .datasource(SOURCE)
        .query("label_values(docker_registry_metrics_timestamp_seconds, instance)")
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .multi(multi=True)
        .include_all(include_all=True)
    )
    dashboard = (
        Dashboard("Docker registries")
        .uid("docker-registry")
        .tags(["docker-registry"])
        .refresh("1m")
        .time("now-6h", "now")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .with_variable(DatasourceVariable("source").type("prometheus"))
        .with_variable(instances)
    )
    for title, graphs in ROWS.items():
        dashboard = dashboard.with_row(Row(title))
        for graph in graphs:
            dashboard = dashboard.with_panel(_panel(graph))
    return dashboard


def render() -> str:
    """The JSON as the text of its file."""
    return JSONEncoder(sort_keys=True, indent=2).encode(build().build()) + "\n"


if __name__ == "__main__":
    PATH.write_text(render(), encoding="utf-8")
