"""`docker-repository-rmi` and `registry-retention` up to the moment at which regbot runs."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from rendering.rootfs import TOOLS, TREE
from tests.rendering.deletion_host import DeletionHost

RMI = "docker-repository-rmi"
DIGEST = "sha256:" + "0f" * 32


@pytest.fixture
def host(tmp_path: Path) -> DeletionHost:
    """A host on which retention is on."""
    return DeletionHost(tmp_path)


def _script(host: DeletionHost) -> str:
    """The text that regbot is to run."""
    [script] = yaml.safe_load(host.config)["scripts"]
    return str(script["script"])


def test_regbot_runs_beside_the_registry_without_rights(host: DeletionHost) -> None:
    """In its network, past the proxy; read-only, without capabilities, and with the stack's label."""
    assert host.run(RMI, "--yes", "team/app:a").code == 0
    words = " ".join(host.ran)
    for part in ("--rm", "--network net", "--read-only", "--cap-drop ALL", "no-new-privileges", "regbot:1"):
        assert part in words
    assert "docker-registry.stack=o/docker-registry/prod" in host.ran
    assert host.ran[-1] == "-"
    assert yaml.safe_load(host.config)["creds"] == [{"registry": "registry:5000", "tls": "disabled"}]


def test_the_scripts_arrive_whole_and_in_order(host: DeletionHost) -> None:
    """Behind what is asked for; nothing in it is changed on the way."""
    assert host.run(RMI, "--yes", "team/app:a", "team/*:pr-?").code == 0
    parts = [(TREE / TOOLS.lstrip("/") / name).read_text() for name in ("delete-images.lua", "requested-images.lua")]
    job, rest = _script(host).split(parts[0].splitlines()[0], 1)
    assert parts[0].splitlines()[0] + rest == "".join(parts)
    assert re.sub(r"\s+", " ", job) == (
        'job = { registry = "registry:5000", dry = false, all_tags = false, shown = nil, '
        'requests = { "team/app:a", "team/*:pr-?", } } job.store = true '
    )


def test_options_may_come_after_images(host: DeletionHost) -> None:
    """Wherever they stand, they are no images, and the images keep their order."""
    words = ["--yes", "--all-tags", "--wait", "5", "team/app:a", "team/*:pr-?"]
    assert host.run(RMI, *words).code == 0
    wanted = _script(host)
    for again in ([*words[4:], *words[:4]], [words[4], *words[2:4], words[5], *words[:2]]):
        assert host.run(RMI, *again).code == 0
        assert _script(host) == wanted
    assert "needs a value" in host.run(RMI, "team/app:a", "--wait").err
    assert "which image?" in host.run(RMI, "--yes", "--wait", "5").err


def test_the_scripts_know_what_the_settings_forbid(host: DeletionHost) -> None:
    """A registry without a manifest that can be read can't be asked."""
    assert host.run(RMI, "--dry-run", "team/app:a").code == 0
    assert "job.forbidden = true" not in _script(host)
    host.deletes(allowed=False)
    assert host.run(RMI, "--dry-run", "team/app:a").code == 0
    assert "\njob.forbidden = true\n" in _script(host)


@pytest.mark.parametrize("missing", ["delete-images.lua", "requested-images.lua"])
def test_nothing_runs_when_a_part_is_missing(host: DeletionHost, missing: str) -> None:
    """Half a script would do nothing and end well."""
    host.path(f"{TOOLS}/{missing}").unlink()
    assert host.run(RMI, "--yes", "team/app:a").code != 0
    assert host.ran == []


@pytest.mark.parametrize("image", ["a:b", "a/b:c", "a@" + DIGEST, "**:*", "team/*:pr-?", "a.b_c-d/e:V1.0_x-y"])
def test_an_image_may_be_called(host: DeletionHost, image: str) -> None:
    """By tag, by digest, by pattern."""
    assert host.run(RMI, "--yes", image).code == 0
    assert f'"{image}",' in _script(host)


@pytest.mark.parametrize(
    "image",
    [
        *(
            "a",
            "a/b",
            "",
            ":",
            ":b",
            "a:",
            "a:b:c",
            "host:5000/a:b",
            "a@",
            "a@sha256:0f",
            f"a:b@{DIGEST}",
            f"@{DIGEST}",
        ),
        *(
            'a:b"',
            "a:]]",
            "a:$(id)",
            "a:`id`",
            "a: b",
            "a:b\nc:d",
            "a:b\\",
            "a:ä",
            f"a@{DIGEST[:-1]}x",
            f"a@{DIGEST}/b:c",
        ),
    ],
)
def test_no_image_may_be_called(host: DeletionHost, image: str) -> None:
    """Exit code 2, and nothing has run."""
    done = host.run(RMI, "--yes", image)
    assert done.code == 2
    assert done.err.startswith("docker-repository-rmi: ")
    assert host.ran == []


@pytest.mark.parametrize("words", [[], ["--yes"], ["--nope", "a:b"], ["--registry"], ["--wait", "0", "a:b"],
                                   ["--wait", "x", "a:b"], ["--registry", "h/x", "a:b"]])  # fmt: skip
def test_wrong_options(host: DeletionHost, words: list[str]) -> None:
    """Exit code 2."""
    assert host.run(RMI, *words).code == 2
    assert host.ran == []


def test_without_a_terminal_nothing_is_deleted_unless_yes_is_said(host: DeletionHost) -> None:
    """What would go is shown all the same."""
    host.said = "delete a:b\n"
    done = host.run(RMI, "a:b")
    assert (done.code, done.out) == (3, "delete a:b\n")
    assert "dry = true" in _script(host)


@pytest.mark.parametrize(("came", "code"), [(0, 0), (4, 4), (15, 15), (125, 1), (127, 1), (137, 1)])
def test_exit_codes_are_passed_on(host: DeletionHost, came: int, code: int) -> None:
    """Docker's own become 1."""
    host.code = came
    assert host.run(RMI, "--yes", "a:b").code == code
    assert host.run(RMI, "--dry-run", "a:b").code == code


def test_the_help_lists_every_exit_code(host: DeletionHost) -> None:
    """Those of the scripts, and those of the tool."""
    said = host.run(RMI, "--help").out
    script = (TREE / TOOLS.lstrip("/") / "delete-images.lua").read_text()
    table = script.split("local EXIT = {")[1].split("}")[0]
    codes = dict(re.findall(r"([A-Z_]+) = (\d+)", table)) | {"BUSY": "16"}
    assert len(codes) == 14
    del codes["FAILED"]
    for name, number in codes.items():
        assert re.search(rf"\b{number}  {name}:", said), name


def test_a_clean_up_that_does_not_end_is_told_apart(host: DeletionHost) -> None:
    """Exit code 16; a dry run does not wait."""
    lock = host.path("/run/docker-registry/lock")
    with subprocess.Popen(["flock", str(lock), "sleep", "5"]) as holder:
        while not lock.exists():
            pass
        assert host.run(RMI, "--yes", "--wait", "1", "a:b").code == 16
        assert host.ran == []
        assert host.run(RMI, "--dry-run", "a:b").code == 0
        holder.terminate()


def test_retention_knows_when_tags_were_pushed(host: DeletionHost) -> None:
    """And what they led to, by the registry's own record; names that no registry has are nothing to it."""
    host.has_tag("team/app", "v1.0", 1700000000.25)
    host.has_tag("a/revisions/index", "index", 5)
    host.has_tag("_layers-not", "t", 6)
    host.has_tag("team/odd", "_layers", 10)
    host.has_tag("team/odd", "_uploads", 11)
    host.has_tag("team/my app", "t", 7)
    host.has_tag('x"]] os.exit(0) --', "t", 8)
    host.has_tag("two\nlines", "t", 9)
    assert host.run("registry-retention").code == 0
    times = _script(host).split("pushed = [[\n")[1].split("\n]]")[0]
    assert sorted(times.splitlines()) == [
        "10.0000000000 team/odd _layers",
        "11.0000000000 team/odd _uploads",
        "1700000000.2500000000 team/app v1.0",
        "5.0000000000 a/revisions/index index",
        "6.0000000000 _layers-not t",
        "sha256:0 _layers-not t",
        "sha256:0 a/revisions/index index",
        "sha256:0 team/app v1.0",
        "sha256:0 team/odd _layers",
        "sha256:0 team/odd _uploads",
    ]


def test_retention_of_an_empty_registry(host: DeletionHost) -> None:
    """Nothing was ever pushed."""
    assert host.run("registry-retention").code == 0
    assert "job.retention = { policies = {} }" in _script(host)


@pytest.mark.parametrize(
    ("mode", "words", "dry"), [("on", [], False), ("on", ["--dry-run"], True), ("dry-run", [], True), ("off", [], True)]
)
def test_retention_deletes_only_in_mode_on(host: DeletionHost, mode: str, words: list[str], dry: bool) -> None:
    """By hand as on schedule."""
    host.facts(mode)
    done = host.run("registry-retention", *words)
    assert done.code == 0
    assert f"dry = {str(dry).lower()}" in _script(host)
    assert ("nothing was deleted" in done.out) == dry


def test_retention_leaves_its_result(host: DeletionHost) -> None:
    """One line: how it ended, when, and what it did; none of a dry run by hand or in mode off."""
    result = host.path("/var/lib/docker-registry/retention")
    host.run("registry-retention", "--dry-run")
    host.facts("off")
    host.run("registry-retention")
    assert not result.exists()
    host.facts("on")
    host.said = "delete a:b\n1 tag and 1 manifest of 1 repository\n"
    host.run("registry-retention")
    assert re.fullmatch(r"ok \S+ 1 tag and 1 manifest of 1 repository\n", result.read_text())
    host.code = 14
    assert host.run("registry-retention").code == 14
    assert re.fullmatch(r"failed \S+ exit code 14\n", result.read_text())
    host.code = 0
    host.facts("dry-run")
    host.run("registry-retention")
    assert result.read_text().endswith(" repository, not deleted: dry-run\n")


def test_retention_without_policies_fails(host: DeletionHost) -> None:
    """Nothing has run."""
    host.path("/etc/docker-registry/retention.lua").unlink()
    assert host.run("registry-retention").code != 0
    assert host.ran == []


@pytest.mark.parametrize("word", ["-h", "--help"])
def test_retention_explains_itself(host: DeletionHost, word: str) -> None:
    """With its exit codes, and nothing has run."""
    done = host.run("registry-retention", word)
    assert done.code == 0
    assert "registry-retention [--dry-run]" in done.out
    assert "2 wrong options" in done.out
    assert "shellcheck" not in done.out
    assert host.ran == []
