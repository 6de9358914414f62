"""The host's tools for files, directories, secrets and volumes keep what others made, and never do half a thing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rendering.host_tools import OWNER, FakeHost, Ran


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    """A host with the tools and nothing else."""
    return FakeHost(tmp_path / "host")


def _put(host: FakeHost, path: Path, content: str, *more: str, size: int | None = None, by: str = "me@ssh") -> Ran:
    length = str(len(content.encode()) if size is None else size)
    options = ("--for", by, "--size", length, "--mode", "0640", "--owner", OWNER, *more)
    return host.run("put-file", *options, str(path), stdin=content)


def _remove(host: FakeHost, path: Path, by: str = "me@ssh") -> Ran:
    return host.run("remove-file", "--for", by, str(path))


def _backups(path: Path) -> list[str]:
    return [other.read_text() for other in path.parent.glob(f"{path.name}.*~")]


@pytest.fixture
def file(host: FakeHost) -> Path:
    """Where a file will be; its directory is not there yet."""
    return host.root / "etc" / "it's a 100% file.conf"


def test_a_file_is_put_whole_with_its_mode(host: FakeHost, file: Path) -> None:
    """And its directory is made; nothing else is left there."""
    done = _put(host, file, "content ü\n")
    assert done == Ran(0, "", "")
    assert file.read_text() == "content ü\n"
    assert file.stat().st_mode & 0o777 == 0o640
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize("size", [0, 7, 9])
def test_half_a_file_changes_nothing(host: FakeHost, file: Path, size: int) -> None:
    """A connection that breaks leaves the old file, and says how much arrived."""
    assert _put(host, file, "the old\n").code == 0
    done = _put(host, file, "the new\n", size=size)
    assert done.code != 0
    assert f"8 of {size} bytes" in done.err
    assert file.read_text() == "the old\n"
    assert list(file.parent.iterdir()) == [file]


def test_a_file_that_fails_its_test_changes_nothing(host: FakeHost, file: Path) -> None:
    """The test gets the new file; the old one stays, and nothing is run afterwards."""
    host.command("verify", 'grep -q good "$1" || { echo "bad file" >&2; exit 1; }')
    host.command("after", f"echo ran >>{host.root}/after")
    words = ("--verify", "verify", "--then", "after")
    assert _put(host, file, "good\n", *words).code == 0
    done = _put(host, file, "broken\n", *words)
    assert done.code != 0
    assert "bad file" in done.err
    assert file.read_text() == "good\n"
    assert (host.root / "after").read_text() == "ran\n"


def test_what_follows_runs_again_where_nothing_changed(host: FakeHost, file: Path) -> None:
    """A run killed between the file and the reload is made good by the next one."""
    host.command("after", f"echo ran >>{host.root}/after")
    for _ in range(2):
        assert _put(host, file, "same\n", "--then", "after").code == 0
    assert (host.root / "after").read_text() == "ran\nran\n"


def test_somebody_else_s_file_is_kept_beside(host: FakeHost, file: Path) -> None:
    """And the fact is shown."""
    file.parent.mkdir()
    file.write_text("somebody's work\n")
    done = _put(host, file, "ours\n")
    assert done.code == 0
    assert "was there before and differs: kept as" in done.err
    assert file.read_text() == "ours\n"
    assert _backups(file) == ["somebody's work\n"]


def test_our_own_file_is_replaced_without_a_copy(host: FakeHost, file: Path) -> None:
    """As is one that was there with the same content."""
    file.parent.mkdir()
    file.write_text("first\n")
    for content in ("first\n", "second\n", "third\n"):
        assert _put(host, file, content) == Ran(0, "", "")
    assert _backups(file) == []


def test_a_file_changed_by_hand_is_kept_beside(host: FakeHost, file: Path) -> None:
    """By the next up, and by destroy."""
    _put(host, file, "ours\n")
    file.write_text("changed by hand\n")
    assert "kept as" in _put(host, file, "ours again\n").err
    assert _backups(file) == ["changed by hand\n"]
    file.write_text("changed again\n")
    assert "was changed on the host: kept as" in _remove(host, file).err
    assert not file.exists()
    assert "changed again\n" in _backups(file)


def test_our_own_file_is_removed(host: FakeHost, file: Path) -> None:
    """Without a trace: the ledger forgets it too. A second time is no error."""
    _put(host, file, "ours\n")
    for _ in range(2):
        assert _remove(host, file) == Ran(0, "", "")
    assert list(file.parent.iterdir()) == []
    assert list(host.path("/var/lib/docker-registry/files").iterdir()) == []


def test_a_file_taken_over_by_another_is_not_removed(host: FakeHost, file: Path) -> None:
    """A renamed resource makes its file before the old name's is removed."""
    _put(host, file, "ours\n", by="old@ssh")
    _put(host, file, "ours\n", by="new@ssh")
    assert _remove(host, file, by="old@ssh").code == 0
    assert file.exists()
    assert _remove(host, file, by="new@ssh").code == 0
    assert not file.exists()


def test_a_file_we_never_wrote_is_not_removed(host: FakeHost, file: Path) -> None:
    """Whatever its name."""
    file.parent.mkdir()
    file.write_text("somebody's\n")
    assert _remove(host, file).code == 0
    assert file.read_text() == "somebody's\n"


def test_directories_get_mode_and_owner(host: FakeHost) -> None:
    """New ones and old ones; what is in them is left alone."""
    old, new = host.root / "srv" / "old", host.root / "srv" / "new" / "deep"
    old.mkdir(parents=True, mode=0o777)
    (old / "content").write_text("kept")
    table = f"0700 {OWNER} {old}\n0750 {OWNER} {new}\n"
    for _ in range(2):
        assert host.run("ensure-directories", "2", stdin=table) == Ran(0, "", "")
    assert [path.stat().st_mode & 0o777 for path in (old, new, new.parent)] == [0o700, 0o750, 0o700]
    assert (old / "content").read_text() == "kept"


@pytest.mark.parametrize("lines", ["1", "3"])
def test_half_a_list_of_directories_makes_none(host: FakeHost, lines: str) -> None:
    """Nothing was changed, as it says."""
    table = "".join(f"0700 {OWNER} {host.root}/srv/{name}\n" for name in "ab")
    done = host.run("ensure-directories", lines, stdin=table)
    assert done.code != 0
    assert "nothing was changed" in done.err
    assert not (host.root / "srv").exists()


@pytest.fixture
def secret(host: FakeHost) -> Path:
    """Where a secret will be."""
    return host.root / "secret"


def _keep(host: FakeHost, secret: Path, text: str, size: int | None = None) -> Ran:
    return host.run("keep-secret", str(len(text) if size is None else size), str(secret), stdin=text)


def test_a_secret_is_made_once(host: FakeHost, secret: Path) -> None:
    """For root alone; the second run says that it was written when it was."""
    first = _keep(host, secret, "")
    made = secret.read_text()
    assert len(made) == 64
    assert secret.stat().st_mode & 0o777 == 0o600
    assert _keep(host, secret, "") == first
    assert secret.read_text() == made
    assert first.out.startswith("written ")
    assert made not in first.out


def test_a_given_secret_takes_its_place(host: FakeHost, secret: Path) -> None:
    """What it says changes, so that the registry restarts; the same again changes nothing."""
    made = _keep(host, secret, "")
    given = _keep(host, secret, "the administrator's own")
    assert secret.read_text() == "the administrator's own"
    assert given.out != made.out
    assert _keep(host, secret, "the administrator's own") == given
    assert _keep(host, secret, "") == given


def test_half_a_secret_changes_nothing(host: FakeHost, secret: Path) -> None:
    """Nor does it leave a trace."""
    _keep(host, secret, "the first one")
    assert _keep(host, secret, "the sec", size=14).code != 0
    assert secret.read_text() == "the first one"
    assert [path.name for path in secret.parent.glob("secret*")] == ["secret"]


def _volumes(host: FakeHost, *, lies_in: str | None) -> tuple[Ran, Path]:
    directory = host.root / "data"
    host.command("docker", "exit 1" if lies_in is None else f"echo {lies_in}")
    wanted = f"0700 {OWNER} {directory}\n"
    return host.run("prepare-volumes", "1", f"registry-data={directory}", stdin=wanted), directory


def test_a_directory_is_no_empty_volume(host: FakeHost) -> None:
    """Docker would fill an empty one from the image, with the image's owner and mode."""
    done, directory = _volumes(host, lies_in=None)
    assert done == Ran(0, "", "")
    assert [path.name for path in directory.iterdir()] == [".volume"]
    assert directory.stat().st_mode & 0o777 == 0o700


def test_a_volume_that_is_there_already_is_used(host: FakeHost) -> None:
    """When it lies where it should."""
    assert _volumes(host, lies_in=str(host.root / "data"))[0].code == 0


def test_a_volume_that_lies_elsewhere_is_refused(host: FakeHost) -> None:
    """With both places, and before anything is changed."""
    done, directory = _volumes(host, lies_in="/somewhere/else")
    assert done.code != 0
    assert f"lies in /somewhere/else, not in {directory}" in done.err
    assert not directory.exists()


def _prepare_mirror(host: FakeHost) -> Ran:
    lines = f"0700 {OWNER} {host.path('/srv/mirrors/a.b')}\n"
    return host.run("prepare-mirror", "1", "a.b", str(host.path("/srv/data")), stdin=lines)


def test_a_mirror_that_would_hide_images_is_refused(host: FakeHost) -> None:
    """And says which, on another disk too; deleted ones, and others that are called alike, are in nobody's way."""
    repositories = host.path("/srv/data/docker/registry/v2/repositories")
    for name in ("a.bc/x", "c/a.b/x", "a.b"):
        (repositories / name / "_manifests/revisions/sha256/12").mkdir(parents=True)
        (repositories / name / "_manifests/revisions/sha256/12/link").touch()
    (repositories / "a.b/team/gone/_manifests/revisions/sha256/12").mkdir(parents=True)
    assert _prepare_mirror(host) == Ran(0, "", "")
    assert host.path("/srv/mirrors/a.b").is_dir()
    (repositories / "a.b/team/gone/_manifests/revisions/sha256/12/link").touch()
    done = _prepare_mirror(host)
    assert done.code == 1
    assert "as a.b/team/gone, which a mirror of that name" in done.err
    (repositories / "a.b").rename(host.path("/srv/disk"))
    (repositories / "a.b").symlink_to(host.path("/srv/disk"))
    assert _prepare_mirror(host) == done


def objects(host: FakeHost, bucket: str, *, known: str = "") -> Ran:
    """The volumes of a host that is to have its images in a bucket, and has been told of another."""
    if known:
        host.path("/etc/docker-registry").mkdir(parents=True, exist_ok=True)
        host.path("/etc/docker-registry/host.json").write_text(f'{{\n  "root": "/srv",\n  "objects": "{known}"\n}}\n')
    host.command("docker", "exit 1")
    directory = host.path("/srv/data")
    words = [f"--objects={bucket}"] if bucket else []
    lines = f"0700 {OWNER} {directory.parent}\n0700 {OWNER} {directory}\n"
    return host.run("prepare-volumes", "2", *words, f"registry-data={directory}", stdin=lines)


def test_images_that_an_object_store_would_hide(host: FakeHost) -> None:
    """Are in its way, on another disk too; what was deleted is not."""
    folder = host.path("/srv/data/docker/registry/v2/repositories/r/_manifests/revisions/sha256/12")
    assert objects(host, "acme").code == 0
    folder.mkdir(parents=True)
    assert objects(host, "acme").code == 0
    (folder / "link").touch()
    done = objects(host, "acme")
    assert done.code == 1
    assert "There are images in " in done.err
    repositories = host.path("/srv/data/docker/registry/v2/repositories")
    repositories.rename(host.path("/srv/disk"))
    repositories.symlink_to(host.path("/srv/disk"))
    assert objects(host, "acme") == done


def test_images_that_can_not_be_looked_for(host: FakeHost) -> None:
    """May be there: an object store would hide them."""
    host.path("/srv/data/docker/registry/v2/repositories").mkdir(parents=True)
    host.command("find", "echo 'Input/output error' >&2; exit 1")
    done = objects(host, "acme")
    assert done.code == 1
    assert "Input/output error" in done.err


@pytest.mark.parametrize(("bucket", "code"), [("acme/a", 0), ("acme/b", 1), ("", 1)])
def test_images_in_a_bucket_are_not_left_there(bucket: str, code: int, host: FakeHost) -> None:
    """For another bucket, or for files of the host."""
    done = objects(host, bucket, known="acme/a")
    assert done.code == code
    assert ("images are in the bucket acme/a, not in " in done.err) == bool(code)
