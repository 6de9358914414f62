"""Taking over a registry that was set up by hand: what goes, what stays, and what is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.rendering.host_tools import FakeHost, Ran

_MORE_PLACES = ("/var/spool/cron/crontabs", "/etc/cron.d", "/etc/systemd/system", "/etc/crontab")

# Containers and networks are files; their first line is the stack that they belong to.
_DOCKER = """
printf '%s\\n' "$*" >>{root}/docker-calls
kind=$1 verb=$2
for last; do :; done
case "$kind $verb $*" in
    *' inspect '*working_dir*) echo /opt/registry ;;
    *' inspect '*Mounts*) cat {root}/images-lie-in ;;
    *' inspect '*Containers*) ls {root}/containers | tr '\\n' ' ' ;;
    *' inspect '*) cat {root}/${{kind}}s/$last ;;
    'network rm '*) rm {root}/networks/$last ;;
    'commit '*) test -e {root}/containers/$3 && ! test -e {root}/full ;;
    'stop '*) test -e {root}/containers/$last ;;
    'rm '*) rm {root}/containers/$last ;;
esac
"""

CRON = """MAILTO=root
# docker run certbot renew would be a comment
0 0 * * 2 docker run --rm certbot/certbot renew --noninteractive && docker restart nginx
1 5 * * * docker exec registry bin/registry garbage-collect /etc/docker/registry/config.yml
7 7 * * * /usr/local/bin/backup
"""
RETIRED = """MAILTO=root
# docker run certbot renew would be a comment
# the stack does it now: 0 0 * * 2 docker run --rm certbot/certbot renew --noninteractive && docker restart nginx
# the stack does it now: 1 5 * * * docker exec registry bin/registry garbage-collect /etc/docker/registry/config.yml
7 7 * * * /usr/local/bin/backup
"""
UNIT = "[Service]\nExecStart=/usr/bin/docker-compose -f /opt/registry/docker-compose.yml up\n"


class HandMade(FakeHost):
    """A host as the how-to leaves it."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        for place in (*_MORE_PLACES[:3], "/containers", "/networks", "/data/nginx/etc/conf.d"):
            self.path(place).mkdir(parents=True)
        for name in ("nginx", "registry", "registry-ui"):
            self.path(f"/containers/{name}").write_text("\n")
        self.path("/networks/registry").write_text("\n")
        self.path("/images-lie-in").write_text(f"{root}/data/docker-registry/data\n")
        self.path("/var/spool/cron/crontabs/root").write_text(CRON)
        self.path("/etc/cron.d/other").write_text("7 7 * * * root /usr/local/bin/backup\n")
        self.path("/etc/systemd/system/compose.service").write_text(UNIT)
        self.path("/etc/systemd/system/other.service").write_text("[Service]\nExecStart=/usr/bin/other\n")
        for site in ("registry.conf", "old.conf"):
            self.path(f"/data/nginx/etc/conf.d/{site}").write_text("server {}\n")
        self.command("docker", _DOCKER.format(root=root))
        self.command("systemctl", f"printf '%s\\n' \"$*\" >>{root}/systemctl-calls")

    def retire(self, *options: str) -> Ran:
        """Runs the tool."""
        return self.run("retire-hand-made", *options, str(self.path("/data")), "registry")

    def files(self) -> dict[str, str]:
        """All files but those that tell what was called, and those kept aside."""
        found = {path: path.read_text() for path in self.root.rglob("*") if path.is_file()}
        return {
            str(path.relative_to(self.root)): text
            for path, text in found.items()
            if not path.name.endswith("-calls") and "retired" not in path.parts
        }

    def kept(self) -> dict[str, str]:
        """What is kept aside: the name without its time → the text."""
        folder = self.path("/var/lib/docker-registry/retired")
        return {path.name.rpartition(".")[0]: path.read_text() for path in folder.iterdir()}

    def calls(self, command: str) -> list[str]:
        """How a command was called."""
        return self.path(f"/{command}-calls").read_text().splitlines()

    def _moved(self, script: str) -> str:
        script = super()._moved(script)
        for place in _MORE_PLACES:
            script = script.replace(place, str(self.path(place)))
        return script


@pytest.fixture
def host(tmp_path: Path) -> HandMade:
    """A host as the how-to leaves it."""
    return HandMade(tmp_path / "host")


def test_containers_network_sites_cron_and_units_go(host: HandMade) -> None:
    """And each is named; the proxy is the first to stop."""
    before = host.files()
    done = host.retire()
    assert done.code == 0, done.err
    gone = {
        *("containers/nginx", "containers/registry", "containers/registry-ui", "networks/registry"),
        *("etc/systemd/system/compose.service", "data/nginx/etc/conf.d/old.conf"),
    }
    expected = {path: text for path, text in before.items() if path not in gone}
    assert host.files() == {**expected, "var/spool/cron/crontabs/root": RETIRED}
    stops = [call for call in host.calls("docker") if call.startswith(("stop", "rm", "network rm"))]
    containers = [
        f"{verb}{name}" for name in ("nginx", "registry-ui", "registry") for verb in ("stop --time 30 ", "rm ")
    ]
    assert stops == [*containers, "network rm registry"]
    assert host.calls("systemctl") == [
        "disable -q compose.service",
        "stop compose.service",
        "reset-failed compose.service",
        "daemon-reload",
    ]
    for word in ("container nginx", "network registry", "unit compose.service", "old.conf", "certbot renew"):
        assert word in done.err


def test_what_goes_is_kept(host: HandMade) -> None:
    """Cron table, unit, site and the containers' settings."""
    host.retire()
    kept = host.kept()
    assert kept["root"] == CRON
    assert kept["compose.service"] == UNIT
    assert kept["old.conf"] == "server {}\n"
    assert {"nginx.json", "registry.json", "registry-ui.json"} <= kept.keys()


def test_what_was_copied_into_a_container_is_kept(host: HandMade) -> None:
    """Accounts or a certificate may be nowhere else. Where there is no room for it, nothing is touched."""
    host.path("/full").touch()
    before = host.files()
    done = host.retire()
    assert done.code == 1
    assert "docker commit --pause=false nginx retired/nginx:20" in done.err
    assert host.files() == before
    host.path("/full").unlink()
    assert host.retire().code == 0
    calls = host.calls("docker")
    for name in ("nginx", "registry-ui", "registry"):
        kept = [number for number, call in enumerate(calls) if f" {name} retired/{name}:20" in call]
        assert kept[-1] < calls.index("stop --time 30 nginx")


def test_a_dry_run_names_the_same_and_changes_nothing(host: HandMade) -> None:
    """Word for word, but for the mood."""
    before = host.files()
    dry = host.retire("--dry-run")
    assert dry.code == 0, dry.err
    assert host.files() == before
    real = host.retire()
    assert dry.err.replace("would retire", "retired") == real.err


def test_a_second_run_finds_nothing(host: HandMade) -> None:
    """Also where the stack's own containers have taken the place."""
    host.retire()
    for name in ("containers/nginx", "containers/registry", "containers/registry-ui", "networks/registry"):
        host.path(f"/{name}").write_text("organization/docker-registry/production\n")
    before = host.files()
    assert host.retire() == Ran(0, "", "")
    assert host.files() == before


def test_images_in_another_place_are_refused(host: HandMade) -> None:
    """Before anything is touched: the new registry would come up empty."""
    for place in ("/srv/images\n", "\n"):
        host.path("/images-lie-in").write_text(place)
        before = host.files()
        done = host.retire()
        assert done.code == 1
        assert f"lie in {place.strip() or 'its container'}, not in" in done.err
        assert host.files() == before


def test_a_stranger_in_the_network_is_refused(host: HandMade) -> None:
    """It would be cut off."""
    host.path("/containers/wiki").write_text("\n")
    before = host.files()
    done = host.retire()
    assert done.code == 1
    assert "the container wiki is in the network registry too" in done.err
    assert host.files() == before


def test_a_run_that_was_cut_off_is_finished(host: HandMade) -> None:
    """Nothing has to be there any more for the rest to go."""
    host.path("/containers/nginx").unlink()
    host.path("/etc/systemd/system/compose.service").unlink()
    assert host.retire().code == 0
    assert list(host.path("/containers").iterdir()) == []
    assert list(host.path("/networks").iterdir()) == []


def test_a_host_without_anything_of_the_kind_is_left_alone(host: HandMade) -> None:
    """As after a fresh installation."""
    for folder in ("containers", "networks", "etc/systemd/system", "var/spool/cron/crontabs", "data/nginx"):
        shutil.rmtree(host.root / folder)
    assert host.retire() == Ran(0, "", "")
