"""`registryctl metrics`: what the status knows, in numbers, and where it is put."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from registryctl.metrics import command, exposition, host, publish, registry
from registryctl.metrics.exposition import Metric, Sample
from registryctl.status.concerns import CONCERNS
from tests.registryctl.fake_machine import FAILED
from tests.registryctl.running import Ran, run
from tests.registryctl.status_host import StatusHost
from tests.rendering.sites import user

BOUND = {"prefix": "docker.io", "data": "/m", "unpulledDays": None, "maxBytes": 10**9}
TEXT = {
    *("name", "state", "detail", "mode", "image", "subnet", "mount", "reason", "run", "version"),
    # A time left is the end without the clock; accounts that end have a metric each.
    *("daysLeft", "ending"),
}
"""What of the status is no number, or another one's."""

SAMPLE = re.compile(r'(?P<name>[a-z_]+)(?P<labels>\{(?:[a-z]+="(?:[^"\\]|\\.)*",?)+\})? (?P<value>-?[0-9.e+]+)')


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StatusHost:
    """A host on which all is well."""
    found = StatusHost(tmp_path, monkeypatch)
    monkeypatch.setattr(command, "Machine", lambda: found.machine)
    monkeypatch.setattr(publish, "READERS", os.getgid())
    found.machine.path(command.SOCKETS).mkdir(parents=True)
    found.machine.says("docker ps --quiet", "cafe\n")
    found.all()
    return found


def _read(text: str) -> dict[str, float]:
    """The samples of some text, which is well formed: each metric with its head before it, and once."""
    found: dict[str, float] = {}
    families: list[str] = []
    for line in text.splitlines():
        if line.startswith("# HELP "):
            families.append(line.split()[2])
            continue
        if line.startswith("# TYPE "):
            assert line.split()[2] == families[-1]
            continue
        sample = SAMPLE.fullmatch(line)
        assert sample, line
        assert sample["name"] == families[-1]
        name = sample["name"] + (sample["labels"] or "")
        assert name not in found
        found[name] = float(sample["value"])
    assert len(families) == len(set(families))
    return found


def _say(here: StatusHost) -> dict[str, float]:
    here.run()
    said = run("metrics")
    assert (said.code, said.err) == (0, "")
    return _read(said.out)


def _published(here: StatusHost) -> Path:
    return here.machine.path(command.SOCKETS / "metrics")


def test_of_a_host_that_is_well(here: StatusHost) -> None:
    """Every concern, with numbers in base units."""
    here.facts["mirrorBounds"] = [BOUND]
    found = _say(here)
    concerns = {name.split('"')[1] for name in found if name.startswith("docker_registry_status{")}
    assert concerns == set(CONCERNS)
    assert {value for name, value in found.items() if name.startswith("docker_registry_status{")} == {0}
    assert found['docker_registry_state{concern="containers",item="nginx",state="ok"}'] == 1
    assert found['docker_registry_container_info{container="nginx",image="nginx:1.28.0 other:2"}'] == 1
    assert found['docker_registry_disk_used_ratio{disk="data"}'] == 0.4
    assert found['docker_registry_disk_free_bytes{disk="data"}'] == 7 * 1048576
    assert found["docker_registry_metrics_timestamp_seconds"] == here.machine.time.timestamp()
    end = datetime(2026, 11, 25, 5, 1, tzinfo=UTC).timestamp()
    assert found['docker_registry_timer_next_trigger_timestamp_seconds{timer="logrotate"}'] == end
    life = found["docker_registry_certificate_expiry_timestamp_seconds"]
    assert round(life - found["docker_registry_certificate_begin_timestamp_seconds"]) == 61 * 86400
    assert found["docker_registry_accounts"] == 1
    assert found['docker_registry_mirror_max_bytes{mirror="docker.io"}'] == 1e9
    assert found["docker_registry_writes_held_off"] == 0
    assert found["docker_registry_backup_enabled"] == 0


def test_what_the_status_knows_is_not_forgotten(here: StatusHost) -> None:
    """A new fact of a concern needs a line in FIGURES, or is a text."""
    here.facts["mirrorBounds"] = [BOUND]
    _, status = here.all()
    for concern in CONCERNS:
        items = status[concern] if isinstance(status[concern], list) else [status[concern]]
        told = {figure.key for figure in host.FIGURES.get(concern, ())}
        for item in items:
            if concern == "backup":
                continue
            assert item.keys() - TEXT <= told, concern


def test_what_is_wrong_is_told(here: StatusHost) -> None:
    """By level and state, and by its own numbers."""
    here.containers(nginx=("exited", "Exited (137) 2 minutes ago"))
    here.timer("docker-registry-gc", result="exit-code", code="1")
    here.disk(data=(96, "/"), logs=(96, "/"))
    here.held_off('{"reason": "a test", "since": 1790000000}')
    here.renewal_was("failed")
    here.accounts(user("alice"), user('b"o\\b', expires=here.machine.time + timedelta(days=3)))
    found = _say(here)
    assert found['docker_registry_status{concern="containers",item="nginx"}'] == 2
    assert found['docker_registry_state{concern="containers",item="nginx",state="exited"}'] == 1
    assert found['docker_registry_status{concern="timers",item="docker-registry-gc"}'] == 1
    assert found['docker_registry_timer_last_run_failed{timer="docker-registry-gc"}'] == 1
    assert found['docker_registry_timer_last_run_failed{timer="logrotate"}'] == 0
    assert found['docker_registry_status{concern="disk",item="data"}'] == 2
    assert found["docker_registry_writes_held_off"] == 1
    assert found["docker_registry_writes_held_off_since_timestamp_seconds"] == 1790000000
    assert found["docker_registry_certificate_renewal_failed"] == 1
    ends = {name: value for name, value in found.items() if "account_end" in name}
    assert list(ends) == ['docker_registry_account_end_timestamp_seconds{account="b\\"o\\\\b"}']


def test_a_backup_s_numbers(here: StatusHost) -> None:
    """When the last good one was, and what it has."""
    here.machine.file("/etc/docker-registry/backup.json", '{"warnDays": 2}')
    good = '{"good": {"time": "2026-11-24T03:01:00+00:00", "run": "x", "bytes": 4096}}'
    here.machine.file("/var/lib/docker-registry/backup", good)
    found = _say(here)
    assert found["docker_registry_backup_enabled"] == 1
    assert found["docker_registry_backup_size_bytes"] == 4096
    assert found["docker_registry_backup_last_success_timestamp_seconds"] == 1795489260
    assert "docker_registry_backup_last_check_timestamp_seconds" not in found


def test_what_is_not_there_has_no_numbers(here: StatusHost) -> None:
    """A disk that is missing is not an empty one."""
    here.machine.says("df", FAILED)
    found = _say(here)
    assert found['docker_registry_state{concern="disk",item="data",state="missing"}'] == 1
    assert not [name for name in found if name.startswith("docker_registry_disk_")]


def test_names_that_would_end_a_label_or_come_twice() -> None:
    """Prometheus takes none of the samples, if one is not well formed or there twice."""
    metric = Metric("a", "b")
    samples = [Sample(metric, 1, {"x": 'a"\n\\'}), Sample(metric, 2.5), Sample(metric, 3, {"x": 'a"\n\\'})]
    assert exposition.text(samples) == '# HELP a b\n# TYPE a gauge\na{x="a\\"\\n\\\\"} 3\na 2.5\n'


# --- where it is put --------------------------------------------------------------------------------------------------
def _publish(here: StatusHost, *words: str) -> Ran:
    here.run()
    return run("metrics", "--publish", *words)


def test_the_proxy_s_workers_alone_read_what_is_put(here: StatusHost) -> None:
    """Both texts, whole, and nothing beside them."""
    here.machine.says("docker exec cafe wget", "# TYPE up gauge\nup 1\n")
    assert _publish(here) == Ran(0, "", "")
    folder = _published(here)
    assert folder.stat().st_mode & 0o777 == 0o750
    assert {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()} == {
        "host.prom": 0o640,
        "registry.prom": 0o640,
    }
    assert _read((folder / "host.prom").read_text())["docker_registry_metrics_timestamp_seconds"]
    text = '# TYPE up gauge\nup{process="reader"} 1\nup{process="writer"} 1\n'
    assert (folder / "registry.prom").read_text() == text


def test_a_registry_that_does_not_answer_has_no_metrics(here: StatusHost) -> None:
    """Old ones would look as if it did."""
    here.machine.says("docker exec cafe wget", "up 1\n")
    _publish(here)
    here.machine.says("docker exec cafe wget", FAILED)
    assert _publish(here).code == 0
    assert [path.name for path in _published(here).iterdir()] == ["host.prom"]


def test_node_exporter_gets_them_too(here: StatusHost) -> None:
    """In a file that it takes, for everybody to read; a new one takes the place of the old one."""
    folder = here.machine.path("/textfile")
    folder.mkdir()
    (folder / ".docker-registry.prom.new").write_text("of a run that was killed")
    for _ in range(2):
        assert _publish(here, "--textfile", "/textfile").code == 0
    [file] = folder.iterdir()
    assert (file.name, file.stat().st_mode & 0o777) == ("docker-registry.prom", 0o644)
    assert file.read_text() == (_published(here) / "host.prom").read_text()


def test_a_directory_that_is_not_there_is_told_of(here: StatusHost) -> None:
    """After the proxy has its own."""
    failed = _publish(here, "--textfile", "/nowhere")
    assert (failed.code, failed.word) == (1, "FAILED")
    assert "/nowhere" in failed.err
    assert (_published(here) / "host.prom").exists()


def test_no_link_leads_out_of_the_proxy_s_directory(here: StatusHost) -> None:
    """A container that was taken over can put one there."""
    victim = here.machine.path("/etc/victim")
    victim.mkdir(parents=True)
    _published(here).symlink_to(victim)
    assert _publish(here).code == 1
    assert list(victim.iterdir()) == []
    _published(here).unlink()
    _published(here).mkdir()
    precious = here.machine.file("/etc/precious", "stays")
    for name in (".host.prom.new", "host.prom"):
        (_published(here) / name).symlink_to(precious)
    assert _publish(here).code == 0
    assert precious.read_text() == "stays"
    assert not (_published(here) / "host.prom").is_symlink()


def test_reader_and_writer_are_one_text() -> None:
    """All samples of a metric together, each with the process that counted, whatever labels it has."""
    said = {
        "reader": "# HELP go_threads Threads.\n# TYPE go_threads gauge\ngo_threads 9\n"
        '# HELP x X.\n# TYPE x histogram\nx_bucket{handler="a b",le="1"} 2\nx_sum{} 3\n',
        "writer": '# HELP x X.\n# TYPE x histogram\nx_bucket{handler="c",le="1"} 4\n'
        "# HELP go_threads Threads.\n# TYPE go_threads gauge\ngo_threads 7\n",
    }
    assert registry.merged(said) == (
        '# HELP go_threads Threads.\n# TYPE go_threads gauge\ngo_threads{process="reader"} 9\n'
        'go_threads{process="writer"} 7\n'
        '# HELP x X.\n# TYPE x histogram\nx_bucket{process="reader",handler="a b",le="1"} 2\n'
        'x_sum{process="reader"} 3\nx_bucket{process="writer",handler="c",le="1"} 4\n'
    )


@pytest.mark.parametrize("words", [["--textfile", "/x"], ["--publish", "--textfile"], ["x"], ["--json"]])
def test_wrong_words(words: list[str], here: StatusHost) -> None:
    """One line that says so."""
    assert run("metrics", *words).code == 2
