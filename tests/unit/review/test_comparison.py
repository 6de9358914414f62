"""A host is compared with what is declared; what differs is named, and what mends it is known."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from review.compare import Finding, compare
from review.declared import Declared
from review.host import Question, Way
from review.repair import recorded
from tests.unit.programs import whole
from tests.unit.review.states import declared_by, exported

ROOT = ["root:root", "0:0"]
CONF = "/var/opt/nginx/etc/conf.d"
PACKAGE = "/usr/local/lib/docker-registry/registryctl"
SITE = f"{CONF}/registry.conf"
CONFIGURATION = "nginx-files-configuration"
ACCOUNTS = "/var/opt/nginx/etc/auth/registry.htpasswd"
TIMER = "docker-registry-certificate.timer"
DOCKER = "docker.service"


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@dataclass(frozen=True)
class FakeHost(Way):
    """A host that is as declared, apart from some answers."""

    argv: tuple[str, ...] = ()
    stack: Declared = field(default_factory=lambda: declared_by("plain"))
    instead: dict[Question, list[str]] = field(default_factory=dict)

    def ask(self, questions: Sequence[Question]) -> list[list[str]]:
        return [self._answer(question) for question in questions]

    def _answer(self, question: Question) -> list[str]:
        key = question[:2]
        return self.instead[key] if key in self.instead else self._as_declared(*[*question, ""][:2])

    def _as_declared(self, kind: str, name: str) -> list[str]:  # noqa: PLR0911 - a kind each
        match kind:
            case "file" | "followed":
                (file,) = [file for file in self.stack.files if file.path == name]
                return ["file", file.mode, *ROOT, file.digest or "", ""]
            case "directory":
                (one,) = [one for one in self.stack.directories if one.path == name]
                owner = [one.owner, one.owner] if ":3" in one.owner else ROOT
                return ["directory", one.mode or "755", *owner, base64.b64encode(self._content(name)).decode()]
            case "unit":
                return ["enabled", "active", ""]
            case "container":
                (box,) = [box for box in self.stack.containers if box.name == name]
                return [box.id, box.image, "true", box.restart, " ".join(box.networks) + " "]
            case "network":
                return [self.stack.networks[name] + " ", " ".join(box.name for box in self.stack.containers) + " "]
            case "volume":
                return [self.stack.volumes[name]]
            case "zone":
                return ["/usr/share/zoneinfo/Etc/UTC"]
        return ["container/nginx volume/registry-data network/registry "]

    def _content(self, directory: str) -> bytes:
        paths = {file.path for file in self.stack.files} | {one.path for one in self.stack.directories}
        names = [path.rpartition("/")[2] for path in paths if path.rpartition("/")[0] == directory]
        return "".join(f"{name}\0" for name in names).encode()


def found(question: Question, answer: list[str]) -> list[Finding]:
    """What is found when the host answers one question so, and all others as declared."""
    return compare(declared_by("plain"), FakeHost(instead={question: answer})).findings


def names(urns: Sequence[str]) -> set[str]:
    return {urn.rpartition("::")[2] for urn in urns}


def test_a_host_that_is_as_declared() -> None:
    assert compare(declared_by("plain"), FakeHost()).findings == []


def test_owners_may_be_names_or_numbers() -> None:
    """A user or group has a name on some hosts, and none on others."""
    path = "/var/opt/certbot/webroot"
    assert found(("directory", path), ["directory", "750", "root:sys", "0:3", b64(".well-known\0")]) == []
    (finding,) = found(("directory", path), ["directory", "750", "root:www", "0:33", ""])
    assert str(finding) == "/var/opt/certbot/webroot: belongs to root:www, not to root:3"


@pytest.mark.parametrize(
    ("question", "answer", "line", "mended_by"),
    [
        (("file", SITE), ["missing"], f"{SITE}: is missing", {CONFIGURATION}),
        (("file", SITE), ["link"], f"{SITE}: is no file but a link", {CONFIGURATION}),
        (("file", SITE), ["file", "644", *ROOT, "d", ""], f"{SITE}: has mode 644, not 600", {CONFIGURATION}),
        (("unit", TIMER), ["disabled", "active", ""], f"{TIMER}: is disabled, not enabled", {"renewal-enable"}),
        (("unit", TIMER), ["enabled", "failed", ""], f"{TIMER}: is failed, not active", {"renewal-enable"}),
        (("unit", DOCKER), ["disabled", "active", ""], f"{DOCKER}: is disabled, not enabled", {"host-tools"}),
        (("zone",), ["/usr/share/zoneinfo/Asia/Tokyo"], "time zone: is Asia/Tokyo, not Etc/UTC", {"host-tools"}),
        (("container", "registry"), [""], "container registry: is missing", set()),
        (("network", "registry"), [""], "network registry: is missing", set()),
        (("volume", "registry-data"), [""], "volume registry-data: is missing", set()),
    ],
)  # fmt: skip
def test_each_difference_is_named(question: Question, answer: list[str], line: str, mended_by: set[str]) -> None:
    """With the resource that mends it."""
    first = found(question, answer)[0]
    assert str(first).splitlines()[0] == line
    assert names(first.mends) == mended_by


def test_what_the_last_up_did_not_reach_is_named_and_mended() -> None:
    """An up that fails for what is not as declared must not keep a request for repair from mending it."""
    stack = replace(declared_by("plain"), unfinished={"logs-rotation": "urn::logs-rotation"})
    (finding,) = compare(stack, FakeHost()).findings
    assert str(finding) == "logs-rotation: the last up was not a whole one: what this puts there is not known"
    assert names(finding.mends) == {"logs-rotation"}


def test_changed_lines_are_shown() -> None:
    content = next(file.content for file in declared_by("plain").files if file.path == SITE)
    assert content is not None
    theirs = content.replace("900s", "1s", 1) + "# by hand\n"
    (finding,) = found(("file", SITE), ["file", "600", *ROOT, "other", b64(theirs)])
    assert "+# by hand" in finding.detail.splitlines()
    assert finding.what == "has another content"


def test_a_secret_content_is_not_shown() -> None:
    """Not even where the host sent it, which it is not asked for."""
    (finding,) = found(("file", ACCOUNTS), ["file", "600", *ROOT, "other", b64("alice:hash")])
    assert finding.detail == "the content is secret and not shown"


def test_what_is_unknown_goes_aside_and_its_readers_are_told() -> None:
    """The site is put again, which reloads the proxy."""
    strange = f"{CONF}/it's \n.conf"
    (finding,) = found(("directory", CONF), ["directory", "700", *ROOT, b64("registry.conf\0it's \n.conf\0")])
    assert finding.aside == strange
    assert str(finding) == f"{strange!r}: is unknown"
    assert "nginx-files-configuration" in names(finding.mends)


def test_what_python_made_of_modules_is_known() -> None:
    """Where there are modules."""
    listed = b64("__pycache__\0")
    assert found(("directory", PACKAGE), ["directory", "755", *ROOT, listed]) == []
    (finding,) = found(("directory", CONF), ["directory", "700", *ROOT, listed])
    assert finding.where == f"{CONF}/__pycache__"


def test_what_gave_way_before_is_a_note() -> None:
    """It is known why it is there."""
    answer = ["directory", "700", *ROOT, b64("registry.conf\0registry.conf.20260101-000000~\0")]
    result = compare(declared_by("plain"), FakeHost(instead={("directory", CONF): answer}))
    assert result.findings == []
    assert [note for note in result.notes if "registry.conf.20260101-000000~" in note]


def test_containers_that_have_lost_a_mount_are_made_anew() -> None:
    """They would go on with the directory that is no more."""
    (finding,) = found(("directory", "/var/opt/nginx/logs"), ["missing"])
    assert names(finding.replaces) == {"nginx-container"}
    assert names(finding.mends) == {CONFIGURATION}


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({0: "another"}, "is another one than the stack made"),
        ({1: "sha256:other"}, "runs the image sha256:other, not "),
        ({3: "no"}, "has restart policy no, not unless-stopped"),
        ({4: ""}, "is in the networks (none), not in registry"),
        ({4: "bridge registry "}, "is in the networks bridge registry, not in registry"),
    ],
)
def test_containers_that_a_refresh_can_t_see_are_made_anew(change: dict[int, str], what: str) -> None:
    (box,) = [box for box in declared_by("plain").containers if box.name == "registry"]
    answer = [box.id, box.image, "true", box.restart, "registry "]
    for index, value in change.items():
        answer[index] = value
    (finding,) = found(("container", "registry"), answer)
    assert finding.what.startswith(what)
    assert names(finding.replaces) == {"registry-container"}


def test_what_people_must_do_is_said() -> None:
    """Where up refuses, or must not decide."""
    (moved,) = found(("volume", "registry-data"), ["/elsewhere"])
    (guest,) = found(("network", "registry"), ["100.127.255.0/24 ", "nginx registry registry-ui guest "])
    (stray,) = found(
        ("owned", "acme/docker-registry/production"), ["container/nginx container/stray volume/registry-data "]
    )
    for finding in (moved, guest, stray):
        assert "\n    by hand: " in str(finding)
        assert not (finding.mends or finding.replaces or finding.aside)
    assert "guest" in str(guest) and "stray" in str(stray) and "/elsewhere" in str(moved)


def test_drop_ins_of_docker_are_the_administrator_s() -> None:
    assert (
        found(("unit", "docker.service"), ["enabled", "active", "/etc/systemd/system/docker.service.d/proxy.conf"])
        == []
    )
    path = f"/etc/systemd/system/{TIMER}.d/rarely.conf"
    (finding,) = found(("unit", TIMER), ["enabled", "active", path])
    assert finding.aside == path


def test_a_request_changes_what_is_recorded_of_these_alone() -> None:
    """So that the next update runs their commands, and nothing else; secrets stay as they are."""
    state = exported(whole("full", False))
    before = json.loads(json.dumps(state))
    (site,) = [r["urn"] for r in state["deployment"]["resources"] if r["urn"].endswith("::nginx-files-configuration")]
    after = recorded(state, {site: "x: has another\n content; it's"})
    changed = [
        (old, new)
        for old, new in zip(before["deployment"]["resources"], after["deployment"]["resources"], strict=True)
        if old != new
    ]
    ((old, new),) = changed
    assert (
        new["inputs"].pop("create")
        == new["outputs"].pop("create")
        == (": not as declared: 'x: has another content; it'\"'\"'s'")
    )
    del old["inputs"]["create"], old["outputs"]["create"]
    assert old == new
