"""What goes wrong with backups, in their repositories of every kind; single images out of the past."""

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.backing import PASSWORD, REPOSITORY, World, backed_up, quicken, times
from tests.e2e.clean_up import DATA, Kept, clean_up, stored, within
from tests.e2e.content import Api
from tests.e2e.deleting import remove
from tests.lab import gotools
from tests.lab.host import LabHost

pytestmark = pytest.mark.e2e

FQDN = "troubled.example.net"
DAMAGED, NOT_EMPTY = 19, 20
LARGE = 60_000_000


@pytest.fixture(scope="module")
def world(new_host: Any, new_stack: Any) -> World:  # noqa: ANN401
    nas, host = new_host("shelf"), new_host("troubled", aliases=[FQDN])
    found = backed_up(host, nas, new_stack("troubled", host), FQDN)
    found.kept = Kept.push(found.registry, "kept/images")
    assert "the repository is new" in found.ctl("backup").stdout
    quicken(nas, REPOSITORY)
    return found


@pytest.fixture
def api(world: World) -> Iterator[Api]:
    found = Api(world.registry)
    yield found
    found.close()


def test_a_tag_comes_back_out_of_the_past(world: World, api: Api) -> None:
    """A deleted one, a moved one, an index with platforms, a signed image, and a repository whose content is gone."""
    before = api.image("past/app", "1.0", os.urandom(20_000))
    platforms = [api.image("past/app", "", os.urandom(5_000)) for _ in range(2)]
    index = api.index("past/app", "multi", platforms)
    signature = api.signature("past/app", before)
    pulled = {tag: api.pull("past/app", tag) for tag in ("1.0", "multi", signature)}
    seen = times(world.host, "past/app")
    run = world.backup()
    moved = api.image("past/app", "1.0", os.urandom(20_000))
    said = world.ctl("restore", "past/app:1.0", "--from", run, "--as", "past/app:old").stdout
    assert "back   past/app:old" in said
    assert api.pull("past/app", "old") == pulled["1.0"]
    assert moved["digest"] in api.pull("past/app", "1.0")
    listed = world.ctl("backup", "list", "past/app:1.0").stdout
    assert f"{run} " in listed
    assert before["digest"] in listed

    remove(world.registry, "past/app:multi")
    world.ctl("restore", "past/app:multi", "--from", run)
    assert api.pull("past/app", "multi") == pulled["multi"]
    remove(world.registry, "past/app:*")
    world.ctl("trash", "empty")
    clean_up(world.host)
    assert not stored(world.host, index["digest"])
    world.ctl("restore", "past/app", "--from", run)
    assert {tag: api.pull("past/app", tag) for tag in pulled} == pulled
    assert api.serves("past/app", signature.replace("-", ":"))
    links = [line for line in seen.splitlines() if "/revisions/" in line or "/current/" in line]
    assert set(links) <= set(times(world.host, "past/app").splitlines())
    assert world.refused("restore", "past/none:1.0").startswith("UNMATCHED: the backup ")


def test_what_goes_wrong_is_one_line(world: World) -> None:
    host = world.host
    world.change_secrets(password="another password")
    for words in (["backup"], ["backup", "check"], ["backup", "drill"], ["restore", "kept/images:1.0"]):
        assert "the password does not open the repository" in world.refused(*words)
    assert world.status()["state"] == "failed"
    assert "the password does not open the repository" in world.status()["detail"]
    world.change_secrets(password=PASSWORD)

    settings = json.loads(host.get_file("/etc/docker-registry/backup.json"))
    world.change(sftp={**settings["sftp"], "hostKey": host.host_key})
    for words in (["backup"], ["restore", "--merge"]):
        assert "the server's key is not backup.hostKey" in world.refused(*words)
    world.change(sftp={**settings["sftp"], "port": 1})
    assert "the repository is not reached" in world.refused("backup")
    world.change(sftp=settings["sftp"], repository=f"sftp:root@shelf:{REPOSITORY}-gone")
    assert "Is its disk mounted?" in world.refused("backup")
    world.change(repository=settings["repository"])
    world.backup()
    assert world.status()["state"] == "ok"


def test_a_full_repository_is_said_and_costs_nothing(world: World, api: Api) -> None:
    settings = json.loads(world.host.get_file("/etc/docker-registry/backup.json"))
    world.nas.run("mkdir -p /srv/small && mount -t tmpfs -o size=3m tmpfs /srv/small")
    world.change(repository="sftp:root@shelf:/srv/small/registry")
    api.image("kept/bulky", "1.0", os.urandom(6_000_000))
    assert "there is no room left" in world.refused("backup", "--init")
    assert "no room left" in world.status()["detail"]
    assert world.refused("restore", "kept/bulky:1.0").startswith("MANIFEST_UNKNOWN: there is no whole backup")
    world.nas.run("mount -o remount,size=60m /srv/small")
    world.backup()
    assert world.status()["state"] == "ok"
    world.change(repository=settings["repository"])
    world.nas.run("umount /srv/small")
    api.delete("kept/bulky", "1.0")


def test_a_killed_run_is_in_nobodys_way(world: World, api: Api) -> None:
    """Neither is the lock that it leaves in the repository, also for what wants that alone."""
    host = world.host
    api.image("kept/large", "1.0", os.urandom(LARGE))
    runs = sum(world.runs().values())
    cut_off = f"{_uploads()}; kill -9 $ctl; pkill -9 -x restic; true"
    host.run(f"registryctl backup >/dev/null 2>&1 & ctl=$!; {cut_off}")
    assert world.repository("ls locks").stdout.strip()
    assert sum(world.runs().values()) == runs
    assert clean_up(host).code == 0
    world.ctl("backup", "prune")
    world.ctl("backup", "check")
    assert world.repository("ls locks").stdout.strip() == ""
    world.backup()
    world.ctl("backup", "prune")
    assert all(world.runs().values())
    assert world.status()["state"] == "ok"


def test_a_connection_that_is_cut_costs_only_the_run(world: World, api: Api) -> None:
    """While a backup writes, and while a drill reads."""
    run = world.backup()
    api.image("kept/cut", "1.0", os.urandom(LARGE))
    staged = "find /var/opt/docker-registry/drill -type f -path '*/restore/*'"
    reads = f"until {staged} 2>/dev/null | grep -q .; do sleep 0.1; done"
    for act, busy in (("backup", _uploads()), ("backup drill", reads)):
        cut = f"{busy}; until ! kill -0 $ctl 2>/dev/null; do {_ssh()} pkill -9 sftp-server; sleep 0.2; done"
        done = world.host.run(f"registryctl {act} >/root/said 2>&1 & ctl=$!; ({cut}) & wait $ctl", check=False)
        (line,) = world.host.get_file("/root/said").splitlines()
        assert done.returncode == 1, line
        assert "is not reached" in line
        assert world.status()["state"] == "failed"
        if act == "backup":
            assert [one for one, whole in world.runs().items() if whole][-1] == run
            world.backup()
    assert world.drill()["broken"] == 0
    assert world.status()["state"] == "ok"


def _uploads() -> str:
    """Waits on the host until restic has begun with the content, and has its lock in the repository."""
    begun = "until pgrep -f 'part=[b]lobs' >/dev/null; do sleep 0.1; done"
    return f"{begun}; until {_ssh()} ls {REPOSITORY}/locks | grep -q .; do sleep 0.1; done"


def _ssh() -> str:
    """To the repository's host, by the key that the backup has."""
    options = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o BatchMode=yes"
    return f"ssh {options} -i /etc/docker-registry/backup-key root@shelf"


def test_damage_is_found_and_said(world: World) -> None:
    """And a restore goes on with all that is whole."""
    packs = "find data -type f -size +20k"
    # All of them: a single one may be of older backups alone.
    damage = 'for pack; do printf damage | dd of="$pack" bs=1 seek=300 conv=notrunc status=none; done'
    world.repository(f"mkdir /root/packs && {packs} -exec cp --parents -t /root/packs {{}} +")
    world.repository(f"{packs} -exec sh -c '{damage}' sh {{}} +")
    done = world.ctl("backup", "check", "--all", check=False)
    assert done.returncode == DAMAGED, done.stderr
    assert done.stderr.startswith("DAMAGED: the repository is damaged")
    assert world.status()["state"] == "damaged"
    drill = world.ctl("backup", "drill", check=False)
    assert drill.returncode == DAMAGED, drill.stderr
    world.repository("cp -r /root/packs/data .")
    world.ctl("backup", "check", "--all")
    world.ctl("backup", "drill")


def test_a_full_disk_of_the_host_is_said_and_costs_nothing(world: World, api: Api) -> None:
    """That on which restic prepares what it sends, and that on which its cache lies."""
    host = world.host
    api.image("kept/full", "1.0", os.urandom(50_000))
    host.run("mount -t tmpfs -o size=16k tmpfs /tmp && dd if=/dev/zero of=/tmp/full bs=1k count=16 status=none; true")
    try:
        assert "no room left" in world.refused("backup")
    finally:
        host.run("umount /tmp")
    assert "no room left" in world.status()["detail"]
    cache = "/var/cache/docker-registry-backup"
    host.run(f"mount -t tmpfs -o size=16k tmpfs {cache} && dd if=/dev/zero of={cache}/full bs=1k count=16; true")
    try:
        world.backup()
    finally:
        host.run(["umount", cache])
    assert world.status()["state"] == "ok"


def test_a_repository_on_a_disk_of_the_host(world: World) -> None:
    """One that is not mounted is not begun anew, and a disk that is too small for what is restored is told at once."""
    host, place = world.host, "/mnt/backup/registry"
    host.run("mkdir -p /mnt/backup && mount -t tmpfs tmpfs /mnt/backup")
    with world.another_place(place):
        assert "the repository is new" in world.ctl("backup").stdout
        quicken(host, place)
        assert world.drill()["broken"] == 0
        world.ctl("backup", "check", "--all")
        host.run("mkdir /mnt/aside && mount --bind /mnt/backup /mnt/aside")
        host.run(["umount", "/mnt/backup"])
        assert "Is its disk mounted?" in world.refused("backup")
        assert world.status()["state"] == "failed"
        host.run("mount --bind /mnt/aside /mnt/backup")
        world.backup()
        assert world.status()["state"] == "ok"

        host.put_file("/root/password", PASSWORD, 0o600)
        host.run("mkdir -p /srv/small && mount -t tmpfs -o size=8m tmpfs /srv/small")
        variables = f"RESTIC_REPOSITORY={place} RESTIC_PASSWORD_FILE=/root/password"
        command = f"{variables} registryctl restore --into /srv/small"
        done = host.run(command, check=False)
        assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
        assert "MB are needed and" in done.stderr
        host.run("mount -o remount,size=900m /srv/small")
        assert host.run(command).returncode == 0

        # Images may have a disk of their own: what is staged lies there, and nothing of it stays.
        host.run("mkdir -p /srv/own/docker-registry/data && mount -t tmpfs tmpfs /srv/own/docker-registry/data")
        apart = host.run(f"{variables} registryctl restore --into /srv/own --json").stdout
        assert (json.loads(apart)["broken"], json.loads(apart)["lost"]) == (0, 0)
        assert not {"restore", "restoring"} & {*host.run(["ls", "/srv/own/docker-registry/data"]).stdout.split()}
        compared = "diff -r --no-dereference /srv/small/docker-registry/data /srv/own/docker-registry/data"
        assert host.run(compared).stdout == ""
        host.run("umount /srv/own/docker-registry/data /srv/small /mnt/backup /mnt/aside")


def test_a_server_that_only_lets_add(world: World) -> None:
    """rest-server: with a login, and with backups that this host can't remove."""
    nas, password = world.nas, "lets only add"
    nas.put_file("/root/rest-server", gotools.build("rest-server").read_bytes(), 0o755)
    nas.run(f"mkdir -p /srv/rest && htpasswd -Bbc /srv/rest/.htpasswd troubled '{password}'")
    _serve_rest(nas)
    with world.another_place("rest:http://shelf:8000/troubled/registry", appendOnly=True, keep={}):
        world.change(restUser="troubled")
        world.change_secrets(restPassword="another")
        said = world.refused("backup")
        assert "the server does not let this host in" in said
        world.change_secrets(restPassword=password)
        assert "the repository is new" in world.ctl("backup").stdout
        quicken(nas, "/srv/rest/troubled/registry")
        run = world.backup()
        assert world.drill("--from", run)["broken"] == 0
        world.ctl("backup", "check")
        assert "whoever has all rights" in world.ctl("backup", "prune").stdout
        world.change(appendOnly=False, keep={"last": 1})
        assert "this host may not do that there" in world.refused("backup", "prune")
        assert all(world.runs().values())
        world.change(appendOnly=True, keep={})
        words = ("restore", "kept/images:1.0", "--from", run, "--as", "kept/images:again")
        assert "back   kept/images:again" in world.ctl(*words).stdout

        # One that is down is asked again for a quarter of an hour by newer releases of restic: no test of it here.
        world.backup()
        # What was refused is known until it is not refused any more.
        assert world.status()["state"] == "failed"
        world.ctl("backup", "prune")
        assert world.status()["state"] == "ok"
        _everything_is_said_without(world.host, password)
    nas.run(["systemctl", "stop", "rest-server"])


def _serve_rest(nas: LabHost) -> None:
    program = "/root/rest-server --path /srv/rest --listen :8000 --append-only --private-repos"
    nas.run(f"systemd-run --quiet --collect --unit=rest-server {program}")
    answers = "exec 3<>/dev/tcp/127.0.0.1/8000"
    assert within(20, lambda: nas.run(["bash", "-c", answers], check=False).returncode == 0)


def _everything_is_said_without(host: LabHost, password: str) -> None:
    journal = host.run("journalctl --sync; journalctl -q --no-pager").stdout
    assert password not in journal
    assert PASSWORD not in journal


def test_the_timer_does_all_of_it(world: World) -> None:
    """The unit backs up, removes what is not kept, and checks; all that it says is without a secret."""
    before = world.runs()
    world.host.run(["systemctl", "start", "docker-registry-backup"], timeout=600)
    (run,) = world.runs()
    assert run not in before
    _everything_is_said_without(world.host, PASSWORD)
    assert world.status()["checked"]


def test_a_registry_with_images_is_not_written_over(world: World) -> None:
    done = world.ctl("restore", check=False)
    assert done.returncode == NOT_EMPTY, done.stderr
    world.ctl("restore", "--merge")
    world.kept.check()
    assert world.host.run(["test", "-e", f"{DATA}/restore"], check=False).returncode != 0
