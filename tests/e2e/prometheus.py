"""A real Prometheus in the lab, which scrapes a registry as an account of role `metrics`."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import urlopen

from monitoring import dashboard
from tests.docs.blocks import ROOT
from tests.e2e.support import Deployed
from tests.lab.docker import docker
from tests.lab.images import build
from tests.lab.lab import Lab

START_SECONDS = 60
WINDOW = 120
"""Seconds for which a burst of wrong passwords counts here, and a server's errors; by the rules it is five minutes."""

_CONFIGURATION = """
global: {{scrape_interval: 2s, evaluation_interval: 2s}}
rule_files: [/etc/prometheus/lab/alerts.yml]
scrape_configs:
  - job_name: docker-registry
    scheme: https
    basic_auth: {{username: {user}, password_file: /etc/prometheus/lab/password}}
    tls_config: {{ca_file: /etc/prometheus/lab/ca.pem}}
    static_configs: [{{targets: ["{fqdn}"]}}]
  - job_name: docker-registry-own
    metrics_path: /metrics/registry
    scheme: https
    basic_auth: {{username: {user}, password_file: /etc/prometheus/lab/password}}
    tls_config: {{ca_file: /etc/prometheus/lab/ca.pem}}
    static_configs: [{{targets: ["{fqdn}"]}}]
"""


@dataclass(frozen=True)
class Prometheus:
    """One that runs."""

    address: str

    def ask(self, path: str, **query: str) -> Any:  # noqa: ANN401 - it is JSON
        """What it answers."""
        with urlopen(f"http://{self.address}:9090/api/v1/{path}?{urlencode(query)}", timeout=10) as answer:
            return json.load(answer)["data"]

    def result(self, query: str) -> list[dict[str, Any]]:
        """What a query of the dashboard finds, for all registries."""
        plain = query.replace("$instance", ".*").replace("$__rate_interval", "30s")
        found: list[dict[str, Any]] = self.ask("query", query=plain)["result"]
        return found

    def range(self, query: str, seconds: float) -> list[dict[str, Any]]:
        """The same, of some time until now."""
        plain = query.replace("$instance", ".*").replace("$__rate_interval", "20s").replace("[1d]", "[1m]")
        end = time.time()
        when = {"start": str(end - seconds), "end": str(end), "step": "3"}
        found: list[dict[str, Any]] = self.ask("query_range", query=plain, **when)["result"]
        return found

    def firing(self) -> set[str]:
        """The names of the alerts that fire now."""
        return {one["labels"]["alertname"] for one in self.ask("alerts")["alerts"] if one["state"] == "firing"}

    def targets(self) -> dict[str, str]:
        """Each job, and the health of its target."""
        return {one["labels"]["job"]: one["health"] for one in self.ask("targets")["activeTargets"]}


@contextmanager
def prometheus(lab: Lab, registry: Deployed, user: str, password: str) -> Iterator[Prometheus]:
    """With the program's alert rules, but for times: each counts at once, and rates are those of `WINDOW` seconds."""
    folder = registry.host.folder / "prometheus"
    _configure(folder, registry, user, password)
    name = f"{lab.name}-prometheus"
    docker("rm", "--force", name, check=False)
    argv = ["run", "--detach", "--name", name, "--network", lab.name, *lab.labels()]
    argv += ["--volume", f"{folder}:/etc/prometheus/lab:ro", build("prometheus")]
    docker(*argv, "--config.file=/etc/prometheus/lab/lab.yml", "--storage.tsdb.path=/tmp/data")
    try:
        form = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        found = Prometheus(docker("inspect", "--format", form, name).stdout.strip())
        within(START_SECONDS, lambda: sorted(found.targets().values()) == ["up", "up"])
        yield found
    finally:
        docker("rm", "--force", "--volumes", name, check=False)


def _configure(folder: Path, registry: Deployed, user: str, password: str) -> None:
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
    rules = (ROOT / "monitoring" / "alerts.yml").read_text()
    assert "[5m]" in rules
    rules = re.sub(r"^ +for: \w+\n", "", rules.replace("[5m]", f"[{WINDOW}s]"), flags=re.MULTILINE)
    (folder / "alerts.yml").write_text(rules)
    (folder / "lab.yml").write_text(_CONFIGURATION.format(user=user, fqdn=registry.fqdn))
    (folder / "password").write_text(password)
    shutil.copyfile(registry.ca, folder / "ca.pem")
    for path in folder.iterdir():
        path.chmod(0o644)


def within(seconds: float, true: Callable[[], bool], why: Callable[[], str] = lambda: "") -> None:
    """Fails when it doesn't become true in time, and says `why`; who can't be asked yet has not."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if true():
                return
        except HTTPError as error:
            # Others than one that has only just begun: the question is wrong.
            if error.code != HTTPStatus.SERVICE_UNAVAILABLE:
                raise AssertionError(error.read()) from error
        except OSError:
            pass
        assert time.monotonic() < deadline, f"not within {seconds} s: {why()}"
        time.sleep(1)


def queries() -> dict[str, list[str]]:
    """Each panel of the dashboard, and what it asks for."""
    board = json.loads(dashboard.PATH.read_text(encoding="utf-8"))
    return {one["title"]: [target["expr"] for target in one.get("targets", ())] for one in board["panels"]}
