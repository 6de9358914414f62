"""Which images go from the storage by tag, by digest and by pattern, which stay, and what is said of it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from registryctl.endings import EXIT
from tests.e2e.artifacts import DOCKER_IMAGE, DOCKER_LIST, IMAGE, INDEX, image, index
from tests.registryctl.stored import StoredHost

ABSENT = "sha256:" + "0" * 64


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> StoredHost:
    """A host of a registry into which nothing was pushed."""
    return StoredHost(tmp_path, monkeypatch, kind)


def test_a_tag_goes_alone_while_its_image_has_another(host: StoredHost) -> None:
    """With its last tag the image goes; a dry run says the same and changes nothing."""
    one, two = host.push("r", image("one"), "a", "b"), host.push("r", image("two"), "c")
    before = host.tree()
    dry = host.remove("--dry-run", "r:a")
    assert (dry.code, host.tree()) == (0, before)
    done = host.remove("r:a")
    assert (done.code, done.out) == (0, dry.out + "deleted\n")
    assert f"keep   r@{one.digest} (used by r:b)" in done.out.splitlines()
    assert host.tags("r") == {"b": one.digest, "c": two.digest}
    assert host.has("r", one)
    assert host.remove("r:b").code == 0
    assert host.tags("r") == {"c": two.digest}
    assert not host.has("r", one)
    assert host.has("r", two)


def _cut_off(link: Path) -> None:
    """As by a push under way."""
    link.write_text("")


@pytest.mark.parametrize("by_digest", [True, False])
def test_what_can_t_go_any_more_is_not_said_to_be_gone(host: StoredHost, by_digest: bool) -> None:
    """A tag of the repository broke while it was agreed to."""
    one = host.push("r", image("one"), *(() if by_digest else ("a",)))
    host.push("r", image("two"), "b")
    host.barrier.before_turn = lambda: _cut_off(host.tag_link("r", "b"))
    what = f"r@{one.digest}" if by_digest else "r:a"
    done = host.remove(what)
    assert (done.code, "deleted" in done.out) == (EXIT["CHANGED"], False)
    assert f"keep   {what} (it is needed by now, or a part of the repository can't be read)" in done.out.splitlines()
    assert host.has("r", one)


@pytest.mark.parametrize(
    ("of_images", "of_indexes"), [(IMAGE, INDEX), (DOCKER_IMAGE, DOCKER_LIST)], ids=["oci", "docker"]
)
def test_an_index_takes_along_what_it_alone_needs(host: StoredHost, of_images: str, of_indexes: str) -> None:
    """Not the image that has a tag of its own, nor the one that another index contains."""
    own, shared, alone = (image(text, of_images) for text in ("own", "shared", "alone"))
    first = host.push("r", index(own, shared, alone, media_type=of_indexes), "first")
    second = host.push("r", index(shared, media_type=of_indexes), "second")
    host.push("r", own, "own")
    done = host.remove("r:first")
    assert done.code == 0, done.err
    assert set(host.tags("r")) == {"second", "own"}
    assert [host.has("r", one) for one in (first, alone)] == [False, False]
    assert all(host.has("r", one) for one in (own, shared, second))


def test_attached_artifacts_go_with_their_image(host: StoredHost) -> None:
    """A signature, a referrer in the fallback index, and the signature of the signature; those of others stay."""
    signed, other = host.push("r", image("signed"), "1.0"), host.push("r", image("other"), "2.0")
    signature = host.push("r", image("signature"), signed.attached_tag(".sig"))
    countersigned = host.push("r", image("countersigned"), signature.attached_tag(".sig"))
    referrer = host.push("r", image("sbom", subject=signed))
    listing = host.push("r", index(referrer), signed.attached_tag())
    kept = host.push("r", image("kept"), other.attached_tag(".sig"))
    done = host.remove("r:1.0")
    assert done.code == 0, done.err
    assert f"(attached to {signed.digest})" in done.out
    assert set(host.tags("r")) == {"2.0", other.attached_tag(".sig")}
    assert not any(host.has("r", one) for one in (signed, signature, countersigned, referrer, listing))
    assert host.has("r", other)
    assert host.has("r", kept)


def test_a_digest_goes_only_when_nothing_else_needs_it(host: StoredHost) -> None:
    """Refused while it has tags, unless they may go too; and while an index contains it, in any case."""
    part = image("part")
    whole, one = host.push("r", index(part), "multi"), host.push("r", image("one"), "a", "b")
    tagged = host.remove(f"r@{one.digest}")
    assert (tagged.code, tagged.word) == (7, "USED_BY_TAG")
    assert "r:a, r:b" in tagged.err
    contained = host.remove("--all-tags", f"r@{part.digest}")
    assert (contained.code, contained.word) == (8, "USED_BY_INDEX")
    assert "the index r:multi" in contained.err
    assert set(host.tags("r")) == {"a", "b", "multi"}
    assert host.remove("--all-tags", f"r@{one.digest}").code == 0
    assert set(host.tags("r")) == {"multi"}
    assert not host.has("r", one)
    assert host.has("r", whole)
    untagged = host.push("r", image("untagged"))
    assert host.remove(f"r@{untagged.digest}").code == 0
    assert not host.has("r", untagged)


def test_a_pattern_takes_what_it_fits(host: StoredHost) -> None:
    """`*` stays within one part of a name, `**` doesn't."""
    for where in ("r/x", "r/x/y"):
        for tag in ("pr-1", "pr-2", "main"):
            host.push(where, image(f"{where} {tag}"), tag)
    assert host.remove("r/*:pr-*").code == 0
    assert set(host.tags("r/x")) == {"main"}
    assert set(host.tags("r/x/y")) == {"pr-1", "pr-2", "main"}
    assert host.remove("r/**:pr-?").code == 0
    assert set(host.tags("r/x/y")) == {"main"}


@pytest.mark.parametrize(
    ("wrong", "code", "word"),
    [
        ("r:nope", 4, "MANIFEST_UNKNOWN"),
        (f"r@{ABSENT}", 4, "MANIFEST_UNKNOWN"),
        ("nowhere:a", 5, "NAME_UNKNOWN"),
        ("no//where:a", 5, "NAME_UNKNOWN"),
        ("../r:a", 5, "NAME_UNKNOWN"),
        ("nowhere-*:a", 6, "UNMATCHED"),
        ("r:pr-*", 6, "UNMATCHED"),
        ("r", 2, "docker-repository-rmi"),
        ("--no-such-option", 2, "docker-repository-rmi"),
    ],
)
def test_each_error_has_its_exit_code_and_nothing_is_deleted(
    host: StoredHost, wrong: str, code: int, word: str
) -> None:
    """All or nothing, whatever else was asked for."""
    host.push("r", image("one"), "a")
    before = host.tree()
    done = host.remove("r:a", wrong)
    assert (done.code, done.word, host.tree()) == (code, word, before)
    assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize("with_blob", [False, True])
def test_a_tag_whose_manifest_is_missing_goes(host: StoredHost, with_blob: bool) -> None:
    """Alone; while it is there, nothing else of the repository does."""
    lost, whole = host.push("r", image("lost"), "lost"), host.push("r", image("whole"), "whole", "same")
    host.revision_link("r", lost.digest).unlink()
    if not with_blob:
        host.blob(lost.digest).unlink()
    refused = host.remove("r:whole")
    assert (refused.code, refused.word) == (14, "UNREADABLE")
    assert "r:lost can't be read" in refused.err
    done = host.remove("r:lost")
    assert done.code == 0, done.err
    assert set(host.tags("r")) == {"whole", "same"}
    assert host.has("r", whole)


@pytest.mark.parametrize("content", [b"", b"sha256:12", b"\xff\xfe"])
def test_a_tag_that_leads_nowhere_goes(host: StoredHost, content: bytes) -> None:
    """A disk that was full may have left it."""
    whole = host.push("r", image("whole"), "whole")
    host.push("r", image("other"), "half")
    host.tag_link("r", "half").write_bytes(content)
    assert host.remove("r:whole").code == 14
    done = host.remove("r:half")
    assert done.code == 0, done.err
    assert host.tags("r") == {"whole": whole.digest}


def test_an_index_that_lacks_a_part_goes_with_all_its_tags(host: StoredHost) -> None:
    """Nobody knows what else it needs: with one of them left, nothing of the repository does."""
    host.push("r", index(image("x"), image("y")), "multi", "same")
    host.push("r", image("one"), "a")
    host.blob(image("y").digest).unlink()
    assert host.remove("r:a", "r:multi").code == 14
    done = host.remove("r:multi", "r:same")
    assert done.code == 0, done.err
    assert set(host.tags("r")) == {"a"}


def test_a_registry_without_deletion_says_so(host: StoredHost) -> None:
    """A dry run too."""
    host.push("r", image("one"), "a")
    host.facts["deleteEnabled"] = False
    for words in (["r:a"], ["--dry-run", "r:*"]):
        done = host.remove(*words)
        assert (done.code, done.word) == (9, "UNSUPPORTED")
    assert set(host.tags("r")) == {"a"}


def test_what_went_can_be_brought_back(host: StoredHost, kind: str) -> None:
    """By the run that the deletion tells; with the push times, but where a store sets times itself."""
    one = host.push("r", image("one"), "a", days=3)
    before = host.tag_link("r", "a").stat().st_mtime_ns
    host.remove("r:a")
    [listed] = host.run("trash").out.splitlines()
    assert "rm: 1 tag, 1 manifest" in listed
    done = host.run("undo", listed.split()[0])
    assert done.code == 0, done.err
    assert "back   r:a" in done.out
    assert (host.tags("r"), host.has("r", one)) == ({"a": one.digest}, True)
    now = host.tag_link("r", "a").stat().st_mtime_ns
    assert (now == before) if kind == "files" else (now > before)


def test_it_is_said_in_json_too(host: StoredHost) -> None:
    """For scripts, which agree beforehand."""
    one = host.push("r", image("one"), "a")
    assert host.run("rm", "--json", "r:a").code == 2
    dry = json.loads(host.remove("--dry-run", "--json", "r:a").out)
    done = json.loads(host.remove("--json", "r:a").out)
    assert dry == {**done, "deleted": False}
    assert done["repositories"] == [
        {
            "repository": "r",
            "tags": [{"tag": "a", "digest": one.digest, "why": "asked for", "manifestStays": False}],
            "manifests": [one.digest],
        }
    ]


def test_without_a_terminal_nothing_is_deleted_unless_yes_is_said(host: StoredHost) -> None:
    """What would go is shown all the same."""
    host.push("r", image("one"), "a")
    done = host.run("rm", "r:a")
    assert (done.code, done.word) == (3, "NOT AGREED")
    assert done.out == host.remove("--dry-run", "r:a").out
    assert set(host.tags("r")) == {"a"}


OF_BACKUPS = {"DAMAGED", "NOT_EMPTY"}


def test_the_help_lists_every_exit_code(host: StoredHost) -> None:
    """By the name that an error has."""
    for called, words in (("registryctl", ["rm", "--help"]), ("docker-repository-rmi", ["-h"])):
        said = host.run(*words, called=called)
        assert said.code == 0
        for name, number in EXIT.items():
            if name not in {"FAILED", "NOT_AGREED", *OF_BACKUPS}:
                assert re.search(rf"\b{number}  {name}:", said.out), name


def test_away_from_a_host_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what to do."""
    host = StoredHost(tmp_path, monkeypatch)
    monkeypatch.setattr("registryctl.facts.PATH", tmp_path / "none")
    done = host.remove("r:a")
    assert (done.code, "no host of a registry" in done.err) == (2, True)


@pytest.mark.parametrize("kind", ["files"])
def test_ten_times_the_tags_take_about_ten_times_as_long(host: StoredHost) -> None:
    """Counted by the files that are read, as time on this machine is anybody's. Requests: test_bucket_storage.py."""
    from registryctl.files import FileStorage  # noqa: PLC0415

    asked = 0
    read = FileStorage.read

    def counted(self: FileStorage, path: str, limit: int) -> bytes:
        nonlocal asked
        asked += 1
        return read(self, path, limit)

    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setattr(FileStorage, "read", counted)
    cost = {}
    for many in (10, 100):
        for number in range(many):
            host.push(f"of-{many}", image(f"number {number}"), f"t{number}")
        asked = 0
        assert host.remove("--force", f"of-{many}:*").code == 0
        cost[many] = asked
    monkeypatch.undo()
    assert cost[100] < 15 * cost[10]
