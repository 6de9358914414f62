"""The three containers, and those of mirrors: whether they run and answer, and what they run."""

from __future__ import annotations

from dataclasses import dataclass

from registryctl.machine import STACK_LABEL, Machine
from registryctl.status.finding import BROKEN, OK, WARNING, Finding, Here

NAMES = ("nginx", "registry", "registry-ui")

_FORM = "{{.Names}}|{{.State}}|{{.Status}}|{{.Image}}"
_TAGS = "{{.Id}}|{{range .RepoTags}}{{.}} {{end}}"
_CHECK = "{{index .Config.Healthcheck.Test 1}}"
_FILES = "/var/lib/registry/docker"
_CHECK_SECONDS = 5


@dataclass(frozen=True)
class _Container:
    """What Docker says of one: its state and status, in Docker's words, and the image that it was made of."""

    state: str
    status: str
    image: str = ""


def look(here: Here) -> list[Finding]:
    """A state other than `ok` is mostly in Docker's words, and so is the detail, which has the container's health."""
    machine = here.machine
    names = (*NAMES, *(f"registry-mirror-{prefix}" for prefix in here.facts.mirrors))
    label = f"label={STACK_LABEL}={here.facts.stack}"
    said = machine.answer("docker", "ps", "--all", "--no-trunc", "--filter", label, "--format", _FORM)
    if said is None:
        return [_finding(name, _Container("unknown", "Docker does not answer"), BROKEN) for name in names]
    found = {name: _Container(*rest) for name, *rest in (line.split("|", 3) for line in said.splitlines())}
    tags = _tags(machine, [its.image for its in found.values() if its.image.startswith("sha256:")])
    findings = []
    for name in names:
        its, level = _judge(machine, name, found.get(name))
        findings.append(_finding(name, _Container(its.state, its.status, tags.get(its.image, its.image)), level))
    return findings


def _finding(name: str, its: _Container, level: int) -> Finding:
    line = f"container {name}: {its.state}; {its.status}" + (f"; {its.image}" if its.image else "")
    return Finding(level, line, {"name": name, "state": its.state, "detail": its.status, "image": its.image})


def _judge(machine: Machine, name: str, its: _Container | None) -> tuple[_Container, int]:
    if its is None:
        return _Container("missing", "there is no such container of this stack"), BROKEN
    if its.state != "running":
        return its, BROKEN
    level, state = BROKEN, "unhealthy"
    if its.status.endswith("(healthy)"):
        level, state = OK, "ok"
    elif its.status.endswith("(health: starting)"):
        # Docker has not looked yet.
        level, state = (OK, "ok") if _answers(machine, name) else (WARNING, "starting")
    if state == "ok" and name == "nginx" and _has_old_files(machine):
        why = "its way to the images leads elsewhere than the registry's: docker restart nginx"
        return _Container("outdated", why, its.image), WARNING
    return _Container(state, its.status, its.image), level


def _tags(machine: Machine, ids: list[str]) -> dict[str, str]:
    """Containers run by the id of their image; its names tell more. One that lost its name has none."""
    said = machine.run("docker", "image", "inspect", "--format", _TAGS, *ids).out if ids else ""
    named = dict(line.partition("|")[::2] for line in said.splitlines())
    return {identity: named.get(identity, "").rstrip() for identity in ids}


def _answers(machine: Machine, name: str) -> bool:
    """What its health check says now."""
    check = machine.answer("docker", "container", "inspect", "--format", _CHECK, name)
    if not check:
        return False
    return machine.answer("docker", "exec", name, "/bin/sh", "-c", check, seconds=_CHECK_SECONDS) is not None


def _has_old_files(machine: Machine) -> bool:
    """Whether proxy and registry have different directories as the registry's files.

    A container goes on with the directory that it was started with, also where another has taken its place.
    """
    said = machine.answer("docker", "container", "inspect", "--format", "{{.State.Pid}}", "nginx", "registry")
    try:
        seen = [machine.path(f"/proc/{process}/root{_FILES}").stat() for process in (said or "").split()]
    except OSError:
        # One that has none does not serve from there.
        return False
    return len({(one.st_dev, one.st_ino) for one in seen}) > 1
