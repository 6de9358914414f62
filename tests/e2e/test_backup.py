"""Backups beside everything else, over SFTP to another host; a host that is lost, and comes back out of one.

The tests go on from each other: in the end the host is gone.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import test_audit, test_idempotence, test_page_security, test_restrictions
from tests.e2e.acme_registry import from_server
from tests.e2e.backing import PASSWORD, REPOSITORY, Elsewhere, World, backed_up, quicken, timed, times
from tests.e2e.clean_up import DATA, Kept, Puller, Pusher, at_work, clean_up
from tests.e2e.content import Api
from tests.e2e.deleting import remove
from tests.e2e.support import Deployed, round_trip, wait_until_healthy
from tests.lab.acme_settings import Settings
from tests.lab.audit import audit
from tests.lab.host import LabHost
from tests.lab.lab import Lab
from tests.lab.paths import write_private
from tests.lab.pebble import Pebble

pytestmark = pytest.mark.e2e

FQDN = "kept.example.net"
ROUNDS = int(os.environ.get("BACKUP_ROUNDS") or "4")
"""How many backups are taken beside pushes, pulls, deletions and clean-ups; `make test-backup` takes twenty."""
ROUND_SECONDS = 180
LARGE = 60_000_000

Tags = dict[tuple[str, str], str]
"""Repository and tag → digest."""


@pytest.fixture(scope="module")
def authority(lab: Lab) -> Iterator[Pebble]:
    found = Pebble.start(lab, Settings(renewal_info=False), "pebble-kept")
    yield found
    found.remove()


@pytest.fixture(scope="module")
def world(new_host: Any, new_stack: Any, authority: Pebble) -> World:  # noqa: ANN401
    nas, host = new_host("nas"), new_host("kept", aliases=[FQDN])
    authority.resolve(FQDN, host.address)
    found = backed_up(host, nas, new_stack("kept", host), FQDN, certificate=from_server(authority))
    ca = write_private(host.folder / "root.pem", authority.root())
    found.registry = replace(found.registry, ca=ca)
    found.kept = Kept.push(found.registry, "kept/images")
    return found


def test_no_secret_is_anybodys(world: World) -> None:
    modes = world.host.run("stat -c '%a %U %n' /etc/docker-registry/backup*").stdout.splitlines()
    assert len(modes) == 3
    assert all(line.startswith("600 root ") for line in modes)


def test_the_first_backup_makes_the_repository(world: World) -> None:
    assert world.status()["state"] == "none"
    assert "there is no repository" in world.refused("backup", "list")
    done = world.ctl("backup")
    assert "the repository is new" in done.stdout
    assert PASSWORD not in done.stdout + done.stderr
    assert world.ctl("backup", "check").stdout.startswith("no damage found; part 1 of 2 was read")
    assert world.status()["state"] == "ok"
    quicken(world.nas, REPOSITORY)


@dataclass
class Taken:
    """Backups that were taken beside everything else."""

    pushers: list[Pusher]
    runs: dict[str, Tags] = field(default_factory=dict)
    """Run → what was pushed before it began, and not deleted until it had ended."""

    def pushed(self) -> Tags:
        """What is there now."""
        return {
            (one.repository, tag): str(image["digest"]) for one in self.pushers for tag, image in [*one.pushed.items()]
        }

    def take(self, world: World) -> None:
        """One more."""
        before = self.pushed()
        run = world.backup()
        self.runs[run] = dict(before.items() & self.pushed().items())


@pytest.fixture(scope="module")
def taken(world: World) -> Taken:
    """So many backups beside pushes, pulls, deletions and clean-ups, of which none fails or waits for a backup."""
    pushers = [Pusher(world.registry, f"kept/pushed-{number}") for number in range(2)]
    puller = Puller(world.kept)
    found = Taken(pushers)
    with at_work([*pushers, puller], ROUNDS * ROUND_SECONDS), ThreadPoolExecutor(1) as beside:
        # Beside a backup alone nobody is told to come back; what removes holds pushes off.
        found.take(world)
        assert [pusher.api.pauses for pusher in pushers] == [[], []]
        for number in range(1, ROUNDS):
            removing = beside.submit(_remove, world, f"v{number}")
            found.take(world)
            removing.result()
    assert [worker.failures for worker in (*pushers, puller)] == [[], [], []]
    assert min(worker.done for worker in (*pushers, puller)) > ROUNDS
    world.kept.check()
    return found


def _remove(world: World, tag: str) -> None:
    """Deletes an image on the host, and cleans up: both wait for a backup, or it for them."""
    api = Api(world.registry)
    api.image("kept/removed", tag, os.urandom(5_000))
    api.close()
    removed = remove(world.registry, f"kept/removed:{tag}")
    assert removed.returncode == 0, removed.stderr
    cleaned = clean_up(world.host)
    assert cleaned.code == 0, cleaned.said


def test_each_backup_becomes_a_registry_on_an_empty_host(
    world: World,
    taken: Taken,
    new_host: Callable[..., LabHost],
    tmp_path: Path,
) -> None:
    """All that was pushed before it began is pulled whole there, and nothing in it is broken."""
    elsewhere = Elsewhere(world, new_host("empty"), tmp_path)
    assert len(taken.runs) == ROUNDS
    for run, acknowledged in taken.runs.items():
        root = f"/srv/{run}"
        found = elsewhere.restore(root, "--from", run)
        assert (found["run"], found["broken"], found["lost"]) == (run, 0, 0)
        with elsewhere.served(world.registry, root) as api:
            pulled = {(name, tag): api.pull(name, tag) for name in api.repositories() for tag in api.tags(name)}
        assert found["tags"] == len(pulled)
        lacking = [tag for tag, digest in acknowledged.items() if digest not in pulled.get(tag, ())]
        assert lacking == []
        assert {tag: pulled[tag] for tag in world.kept.images} == world.kept.images
        megabytes = found["bytes"] / 1e6
        print(f"{run}: {len(pulled)} tags, {len(acknowledged)} known before, {megabytes:.1f} MB, {found['seconds']} s")
        elsewhere.host.run(["rm", "-r", root])
    assert sum(map(len, taken.runs.values())) > ROUNDS


def test_a_drill_leaves_nothing(world: World) -> None:
    found = world.drill()
    assert (found["broken"], found["lost"]) == (0, 0)
    assert found["tags"] >= len(world.kept.images)
    assert world.host.run("ls -d /var/opt/docker-registry/drill* " + f"{DATA}/restor*", check=False).stdout == ""


def test_the_registry_comes_back_on_a_new_host(
    world: World, authority: Pebble, new_host: Callable[..., LabHost], tmp_path: Path
) -> None:
    """By the documented commands, with digests, push times, accounts and certificate."""
    old = world.host
    api = Api(world.registry)
    for number in range(3):
        api.image("kept/large", f"v{number}", os.urandom(LARGE // 3))
    api.close()
    run = world.backup()
    seen, certificate = times(old, "kept/images"), world.registry.certificate()
    htpasswd, owners = old.get_file("/var/opt/nginx/etc/auth/registry.htpasswd"), _owners(old)
    plain = "ssh -o StrictHostKeyChecking=no -o BatchMode=yes kept tar -c -C /var/opt . >/srv/plain.tar"
    world.nas.put_file("/root/.ssh/id_ed25519", world.nas.private_key_path.read_text(), 0o600)
    copying = timed(world.nas, plain)
    orders, issued = authority.orders(), authority.issued()
    assert issued == 1
    old.remove()

    host = new_host("anew", "blank", aliases=[FQDN])
    authority.resolve(FQDN, host.address)
    elsewhere = Elsewhere(world, host, tmp_path)
    host.run("apt-get install -qy --no-install-recommends restic python3")
    # Cut off once, as soon as it has begun to fetch; then it goes on.
    begun = "for i in $(seq 300); do [ ! -e /var/opt/docker-registry/restore ] || break; sleep 0.1; done"
    host.run(f"{elsewhere.command} /var/opt >/dev/null 2>&1 & {begun}; kill -9 $! && pkill -9 -x restic; true")
    assert host.get_file(f"{DATA}/restoring").strip() == run
    found = elsewhere.restore("/var/opt")
    assert (found["run"], found["broken"], found["lost"], found["stays"]) == (run, 0, 0, [])
    assert times(host, "kept/images") == seen
    assert host.get_file("/var/opt/nginx/etc/auth/registry.htpasswd") == htpasswd
    unpacking = timed(host, "mkdir /srv/plain; ssh nas cat /srv/plain.tar | tar -x -C /srv/plain")
    size = int(host.run("du -sb /srv/plain | cut -f1").stdout) / 1e6
    stored = int(world.repository("du -sb . | cut -f1").stdout) / 1e6
    print(f"restored: {found['bytes'] / 1e6:.1f} MB in {found['seconds']} s; all backups take {stored:.1f} MB")
    print(f"a plain copy: {size:.1f} MB in {unpacking:.1f} s, and {copying:.1f} s to make")

    _up_on(world, host)
    assert world.registry.certificate() == certificate
    assert (authority.orders(), authority.issued()) == (orders, issued)
    world.kept.check()
    assert host.get_file("/var/opt/nginx/etc/auth/registry.htpasswd") == htpasswd
    assert _owners(host) == owners
    assert "unchanged" in world.registry.stack.up().stdout
    assert (authority.orders(), authority.issued()) == (orders, issued)
    assert world.status()["state"] == "none"
    world.backup()
    assert world.status()["state"] == "ok"
    assert world.ctl("backup", "check").returncode == 0


def _up_on(world: World, host: LabHost) -> None:
    """The stack forgets the old host, and `up` finds on the new one what was restored."""
    stack = world.registry.stack
    stack._run("state", "delete", "--all", "--yes", "--stack", stack.name)
    stack.host = host
    settings = dict(world.registry.settings)
    settings["host"] = {**settings["host"], "address": host.address, "hostKey": host.host_key}
    stack.configure(settings)
    stack.up()
    wait_until_healthy(host)
    world.registry = replace(world.registry, host=host, settings=settings)
    world.kept.registry = world.registry


def _owners(host: LabHost) -> set[tuple[str, int, int, int, str]]:
    """Kind, mode, owner and path of what the program makes; what containers write is closed by its directory."""
    entries = [one for one in audit(host, ["/var/opt"]) if not any(part in one.path for part in ("/data/", "/logs/"))]
    return {(one.kind, one.mode, one.uid, one.gid, one.path) for one in entries}


ANY_HOSTS_TESTS = (
    test_idempotence.test_nothing_changes_after_up_nor_after_refresh,
    test_idempotence.test_containers_stopped_and_removed_by_hand_come_back,
    test_audit.test_others_read_nothing_but_the_tools,
    test_audit.test_nobody_but_root_writes_the_tools,
    test_page_security.test_the_page_has_the_headers,
    test_restrictions.test_nothing_tells_a_version,
)


@pytest.mark.parametrize("passes", ANY_HOSTS_TESTS)
def test_the_restored_host_passes_the_tests_of_any_other(world: World, passes: Callable[[Deployed], None]) -> None:
    assert world.host.name == "anew"
    passes(world.registry)


def test_the_restored_host_is_used_as_any_other(world: World, client_host: LabHost) -> None:
    """docker pushes, pulls and runs; images are deleted and brought back; the clean-up harms none."""
    assert world.host.name == "anew"
    user = world.registry.client(client_host)
    round_trip(user, "after/fire:1.0", user.push("after/fire:1.0"))
    assert remove(world.registry, "kept/large:v1").returncode == 0
    api = Api(world.registry)
    assert sorted(api.tags("kept/large")) == ["v0", "v2"]
    world.ctl("undo")
    assert sorted(api.tags("kept/large")) == ["v0", "v1", "v2"]
    api.close()
    assert clean_up(world.host).code == 0
    world.kept.check()
    world.backup()
    assert world.drill()["broken"] == 0
