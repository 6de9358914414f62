"""Compares a host with what its stack declares."""

from __future__ import annotations

import base64
import difflib
from collections.abc import Iterator
from dataclasses import dataclass, field

from review.declared import UNITS, Container, Declared, Directory, File
from review.host import Question, Way

Answer = list[str]


@dataclass(frozen=True)
class Finding:
    """One thing that is not as declared. `where` names it, `what` says what is wrong.

    `detail` has the changed lines. `mends` are the URNs of commands that must run again, `replaces` those of containers
    that must be made anew, `aside` is what has to get out of the way. `by_hand` says what else must be done, by people.
    """

    where: str
    what: str
    detail: str = ""
    mends: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()
    aside: str = ""
    by_hand: str = ""

    def __str__(self) -> str:
        lines = [f"{self.where}: {self.what}"]
        lines += [f"    {line}" for line in self.detail.splitlines()]
        if self.by_hand:
            lines.append(f"    by hand: {self.by_hand}")
        return "\n".join(lines)


@dataclass
class Comparison:
    """What was found, and what administrators may want to know besides."""

    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def compare(stack: Declared, way: Way) -> Comparison:
    """Ask the host for everything that is declared, in one round trip."""
    questions: list[Question] = []
    for file in stack.files:
        show = "yes" if file.content is not None else "no"
        questions.append(("followed", file.path) if file.followed else ("file", file.path, file.digest or "-", show))
    questions += [("directory", one.path) for one in stack.directories]
    questions += [("unit", name) for name in stack.units]
    questions += [("container", one.name) for one in stack.containers]
    questions += [("network", name) for name in stack.networks]
    questions += [("volume", name) for name in stack.volumes]
    questions += [("zone",), ("owned", stack.stack)]
    answers = iter(way.ask(questions))

    found = Comparison()
    for name, urn in stack.unfinished.items():
        found.findings.append(Finding(name, _NOT_WHOLE, mends=(urn,)))
    for file in stack.files:
        found.findings += _file(file, next(answers))
    known = {file.path for file in stack.files} | {one.path for one in stack.directories}
    # Python's own form of the tools' modules, which start-docker makes. It is not looked into.
    known |= {f"{path.rpartition('/')[0]}/__pycache__" for path in known if path.endswith(".py")}
    for one in stack.directories:
        _directory(one, next(answers), stack, known, found)
    for unit, urn in stack.units.items():
        found.findings += _unit(unit, urn, next(answers))
    for container in stack.containers:
        found.findings += _container(container, next(answers))
    for network, subnet in stack.networks.items():
        found.findings += _network(network, subnet, stack, next(answers))
    for volume, device in stack.volumes.items():
        found.findings += _volume(volume, device, next(answers))
    found.findings += _zone(stack, next(answers))
    found.findings += _owned(stack, next(answers))
    return found


def _file(file: File, answer: Answer) -> Iterator[Finding]:
    kind = answer[0]
    if kind != "file":
        what = "is missing" if kind == "missing" else f"is no file but a {kind}"
        by_hand = _CLAIM_HELP if "-check" in file.urn.rpartition("::")[2] else ""
        yield Finding(file.path, what, mends=(file.urn,), aside="" if kind == "missing" else file.path, by_hand=by_hand)
        return
    yield from _rights(file.path, file.mode, "" if file.followed else file.owner, answer, (file.urn,))
    if file.digest is not None and answer[4] != file.digest:
        detail = "the content is secret and not shown"
        if file.content is not None:
            theirs = base64.b64decode(answer[5]).decode(errors="replace")
            lines = difflib.unified_diff(
                file.content.splitlines(), theirs.splitlines(), "declared", "on the host", lineterm="", n=1
            )
            detail = "\n".join(lines)
        by_hand = _CLAIM_HELP if "-check" in file.urn.rpartition("::")[2] else ""
        yield Finding(file.path, "has another content", detail, mends=(file.urn,), by_hand=by_hand)


_NOT_WHOLE = "the last up was not a whole one: what this puts there is not known"
_CLAIM_HELP = "the next up refuses a host that another stack has, or that this one never had; see check-host"


def _rights(path: str, mode: str, owner: str, answer: Answer, mends: tuple[str, ...]) -> Iterator[Finding]:
    _, its_mode, names, numbers, *_ = answer
    if mode and its_mode != mode:
        yield Finding(path, f"has mode {its_mode}, not {mode}", mends=mends)
    if owner and not _same_owner(owner, names, numbers):
        yield Finding(path, f"belongs to {names}, not to {owner}", mends=mends)


def _same_owner(declared: str, names: str, numbers: str) -> bool:
    pairs = zip(declared.split(":"), names.split(":"), numbers.split(":"), strict=True)
    return all(wanted in found for wanted, *found in pairs)


def _directory(one: Directory, answer: Answer, stack: Declared, known: set[str], found: Comparison) -> None:
    kind = answer[0]
    if kind != "directory":
        what = "is missing" if kind == "missing" else f"is no directory but a {kind}"
        aside = "" if kind == "missing" else one.path
        found.findings.append(Finding(one.path, what, mends=(one.urn,), replaces=one.mounted_by, aside=aside))
        return
    found.findings += _rights(one.path, one.mode, one.owner, answer, (one.urn,))
    if not one.closed:
        return
    names = [name.decode(errors="surrogateescape") for name in base64.b64decode(answer[4]).split(b"\0") if name]
    for name in sorted(names):
        path = f"{one.path}/{name}"
        if path in known:
            continue
        if name.endswith("~"):
            found.notes.append(f"{_readable(path)}: kept when another took its place; remove it when nobody needs it")
            continue
        # Putting its files there again also tells those who read the directory.
        mends = tuple({file.urn for file in stack.files if file.path.rpartition("/")[0] == one.path})
        found.findings.append(Finding(_readable(path), "is unknown", mends=mends, aside=path))


def _readable(path: str) -> str:
    """A path in which every character can be printed."""
    return path if path.isprintable() else repr(path)


def _unit(unit: str, urn: str, answer: Answer) -> Iterator[Finding]:
    enabled, active, more = answer
    if enabled != "enabled":
        yield Finding(unit, f"is {enabled}, not enabled", mends=(urn,))
    if active != "active":
        yield Finding(unit, f"is {active}, not active", mends=(urn,))
    for path in more.split():
        # Don't judge the distribution's drop-ins, nor those for Docker, which administrators may have.
        if path.startswith(f"{UNITS}/{unit}.d/") and unit != "docker.service":
            yield Finding(path, f"changes {unit} and is unknown", mends=(urn,), aside=path)


def _container(one: Container, answer: Answer) -> Iterator[Finding]:
    where = f"container {one.name}"
    if not answer[0]:
        yield Finding(where, "is missing")
        return
    its_id, image, running, restart, networks = answer
    if its_id != one.id:
        yield Finding(where, "is another one than the stack made", replaces=(one.urn,))
        return
    if running != "true":
        yield Finding(where, "does not run")
    if image != one.image:
        yield Finding(where, f"runs the image {image}, not {one.image}", replaces=(one.urn,))
    if restart != one.restart:
        yield Finding(where, f"has restart policy {restart}, not {one.restart}", replaces=(one.urn,))
    if running == "true" and sorted(networks.split()) != sorted(one.networks):
        yield Finding(
            where,
            f"is in the networks {networks.strip() or '(none)'}, not in {' '.join(one.networks)}",
            replaces=(one.urn,),
        )


def _network(network: str, subnet: str, stack: Declared, answer: Answer) -> Iterator[Finding]:
    where = f"network {network}"
    if not answer[0]:
        yield Finding(where, "is missing")
        return
    its_subnet, guests = answer
    if its_subnet.strip() != subnet:
        yield Finding(where, f"has the subnet {its_subnet.strip()}, not {subnet}")
    for guest in sorted(set(guests.split()) - {one.name for one in stack.containers}):
        yield Finding(
            where, f"has a foreign container, {guest}", by_hand=f"docker network disconnect {network} {guest}"
        )


def _volume(volume: str, device: str, answer: Answer) -> Iterator[Finding]:
    where = f"volume {volume}"
    if not answer[0]:
        yield Finding(where, "is missing")
    elif answer[0] != device:
        yield Finding(
            where,
            f"points to {answer[0]}, not to {device}",
            by_hand="see docs/moving.md; the next up refuses it as it is",
        )


def _zone(stack: Declared, answer: Answer) -> Iterator[Finding]:
    if stack.zone is not None and not answer[0].endswith(f"/zoneinfo/{stack.zone[0]}"):
        zone = answer[0].rpartition("/zoneinfo/")[2] or "unknown"
        yield Finding("time zone", f"is {zone}, not {stack.zone[0]}", mends=(stack.zone[1],))


def _owned(stack: Declared, answer: Answer) -> Iterator[Finding]:
    ours = {f"container/{one.name}" for one in stack.containers}
    ours |= {f"network/{name}" for name in stack.networks} | {f"volume/{name}" for name in stack.volumes}
    for name in sorted(set(answer[0].split()) - ours):
        kind, _, rest = name.partition("/")
        yield Finding(f"{kind} {rest}", "bears the stack's label and is unknown", by_hand="remove it, or its label")
