"""What lies on a host already is kept, what can't work there is refused, and no file is ever half written."""

import re
import shlex
import time
from dataclasses import dataclass

import pytest

from tests.e2e.conftest import NewHost, NewStack
from tests.e2e.traces import Traces, traces
from tests.lab.host import LabHost
from tests.lab.stack import LabStack, Result, default_config

pytestmark = pytest.mark.e2e

FQDN = "files.example.net"
SITE = "/var/opt/nginx/etc/conf.d/registry.conf"
CONFIG = "/var/opt/docker-registry/etc/config.yml"
FOREIGN = "# Somebody's own, from before.\n"
EDIT = "# By hand.\n"
BY_HAND = "/var/opt/by-hand/file"
PUT_FILE = "/usr/local/lib/docker-registry/put-file"
SECONDS = 20


@dataclass(frozen=True)
class Attempt:
    """An `up`, and what was on the host before and after it."""

    up: Result
    before: Traces
    after: Traces

    @property
    def said(self) -> str:
        """All that the engine printed."""
        return self.up.stdout + self.up.stderr


@pytest.fixture(scope="module")
def host(new_host: NewHost) -> LabHost:
    """A host with Docker and nothing of this program's."""
    return new_host("files", aliases=[FQDN])


@pytest.fixture(scope="module")
def stack(host: LabHost, new_stack: NewStack) -> LabStack:
    """The host's stack."""
    stack = new_stack("files", host)
    _configure(stack, host)
    return stack


@pytest.fixture(scope="module")
def refused(host: LabHost, stack: LabStack) -> Attempt:
    """An `up` on a host with four faults, which are gone afterwards."""
    system = host.get_file("/etc/os-release")
    host.put_file("/etc/os-release", 'ID=debian\nVERSION_ID="11"\n')
    host.run(["docker", "network", "create", "--subnet", "100.127.255.128/25", "other"])
    host.run(["systemd-run", "--collect", "--unit", "other-web", "perl", "-MIO::Socket::INET", "-e", _listen_on(80)])
    _wait_until(host, "ss -Hltn 'sport = :80' | grep -q .")
    before = traces(host)
    attempt = Attempt(stack.up(check=False), before, traces(host))
    host.run(["systemctl", "stop", "other-web"])
    host.run(["docker", "network", "rm", "other"])
    host.put_file("/etc/os-release", system)
    return attempt


@pytest.fixture(scope="module")
def elsewhere(host: LabHost, stack: LabStack, refused: Attempt) -> Attempt:
    """An `up` on a host where the volume for the images lies elsewhere, and foreign files where ours will be."""
    host.put_file(SITE, FOREIGN)
    host.put_file(CONFIG, FOREIGN)
    host.run(["mkdir", "-p", "/srv/images"])
    options = ["--opt", "type=none", "--opt", "o=bind", "--opt", "device=/srv/images"]
    host.run(["docker", "volume", "create", *options, "registry-data"])
    before = traces(host)
    return Attempt(stack.up(check=False), before, traces(host))


@pytest.fixture(scope="module")
def first(host: LabHost, stack: LabStack, elsewhere: Attempt) -> str:
    """What the first `up` that completes has printed, and the one before it."""
    host.run(["docker", "volume", "rm", "registry-data"], check=False)
    return elsewhere.said + stack.up().stdout


@pytest.mark.parametrize(
    "fault",
    [
        "found debian 11; supported are Debian 12 and 13, Ubuntu 22.04 and 24.04",
        "port 80 is taken by perl",
        "100.127.255.0/24 (network.subnet) overlaps a network of the host: 100.127.255.128/25",
    ],
)
def test_unfit_host_is_refused_with_every_fault(refused: Attempt, fault: str) -> None:
    """A host that can't carry the registry fails `up`, which names all its faults at once."""
    assert refused.up.returncode != 0
    assert fault in refused.said


def test_unfit_host_is_not_touched(refused: Attempt) -> None:
    """On a host that is refused nothing is made or changed."""
    assert refused.after == refused.before


def test_volume_that_lies_elsewhere_is_refused(elsewhere: Attempt) -> None:
    """A volume of our name that lies elsewhere fails `up` with both places, before anything is made."""
    assert elsewhere.up.returncode != 0
    wanted = "volume registry-data exists and lies in /srv/images, not in /var/opt/docker-registry/data"
    assert wanted in elsewhere.said
    assert elsewhere.after == elsewhere.before


@pytest.mark.parametrize("path", [SITE, CONFIG])
def test_foreign_file_is_kept_beside(host: LabHost, first: str, path: str) -> None:
    """A file that was there before the first `up` is kept beside, which the output says; ours is in place."""
    copies = _copies(host, path)
    assert len(copies) == 1
    assert host.get_file(copies[0]) == FOREIGN
    assert f"{path} was there before and differs: kept as {copies[0]}" in first
    assert FOREIGN not in host.get_file(path)


def test_file_edited_by_hand_is_kept_beside(host: LabHost, stack: LabStack, first: str) -> None:
    """A change made by hand on the host is kept beside by the next change of the file, which the output says."""
    known = _copies(host, SITE)
    host.run(f"echo {shlex.quote(EDIT.strip())} >>{SITE}")
    _configure(stack, host, read_timeout=901)
    said = stack.up().stdout
    (copy,) = set(_copies(host, SITE)) - set(known)
    assert host.get_file(copy).endswith(EDIT)
    assert f"kept as {copy}" in said
    assert "proxy_read_timeout 901s;" in host.get_file(SITE)
    assert EDIT not in host.get_file(SITE)


@pytest.mark.usefixtures("first")
class TestPutFile:
    """The tool that writes every file of a host, run by hand."""

    def test_content_that_arrives_in_part_changes_nothing(self, host: LabHost) -> None:
        """A connection that breaks halfway leaves the old file, whole, and no other."""
        _put(host, "old content\n")
        done = host.run(_command(size=100), stdin="half of the new cont", check=False)
        assert done.returncode != 0
        assert "20 of 100 bytes arrived; nothing was changed" in done.stderr
        assert _folder(host) == {"file": "old content\n"}

    @pytest.mark.parametrize(("at", "left"), [("--verify", "old content\n"), ("--then", "new content\n")])
    def test_killed_run_leaves_a_whole_file(self, host: LabHost, at: str, left: str) -> None:
        """A run that is killed leaves the old file or the new one, and the next run neither a rest nor a backup."""
        _put(host, "old content\n")
        _kill_inside(host, "new content\n", at)
        assert host.get_file(BY_HAND) == left
        _put(host, "newer content\n")
        assert _folder(host) == {"file": "newer content\n"}

    def test_run_whose_connection_hangs_holds_up_nobody(self, host: LabHost) -> None:
        """A run that waits for its content for ever doesn't keep the next one from writing the file."""
        _put(host, "old content\n")
        fifo = "/run/never-written"
        _start(host, "hanging", f"mkfifo {fifo}; sleep {SECONDS} >{fifo} & {_command(size=100)} <{fifo}")
        _wait_until(host, f"pgrep -f '^python3 -IB {PUT_FILE} --for hand'")
        _put(host, "new content\n", timeout=SECONDS / 2)
        _kill(host, "hanging")
        _put(host, "newer content\n")
        assert _folder(host) == {"file": "newer content\n"}


def test_destroy_keeps_an_edited_file_aside(host: LabHost, stack: LabStack, first: str) -> None:
    """`destroy` removes our files, and keeps one that was changed by hand, which the output says."""
    known = _copies(host, SITE)
    host.run(f"echo {shlex.quote(EDIT.strip())} >>{SITE}")
    said = stack.destroy().stdout
    (copy,) = set(_copies(host, SITE)) - set(known)
    assert host.get_file(copy).endswith(EDIT)
    assert f"{SITE} was changed on the host: kept as {copy}" in said
    left = traces(host).paths
    assert SITE not in left
    assert CONFIG not in left


def _configure(stack: LabStack, host: LabHost, read_timeout: int = 900) -> None:
    stack.configure(default_config(host, FQDN, "a password for alice") | {"nginx": {"readTimeout": read_timeout}})


def _listen_on(port: int) -> str:
    return f"@kept = IO::Socket::INET->new(Listen => 1, LocalPort => {port}, ReuseAddr => 1) or die; sleep 600"


def _copies(host: LabHost, path: str) -> list[str]:
    found = host.run(f"ls -d {path}.*~", check=False).stdout.split()
    return [name for name in found if re.fullmatch(re.escape(path) + r"\.\d{8}-\d{6}~", name)]


def _command(size: int, *options: str) -> str:
    fixed = ["--for", "hand", "--size", str(size), "--mode", "0640", "--owner", "root:root"]
    return shlex.join([PUT_FILE, *fixed, *options, BY_HAND])


def _put(host: LabHost, content: str, timeout: float = SECONDS) -> None:
    host.run(_command(len(content)), stdin=content, timeout=timeout)


def _kill_inside(host: LabHost, content: str, at: str) -> None:
    """SIGKILL to a run of put-file while the command of its option `at` is at work."""
    unit = f"killed{at}"
    mark, script = f"/run/{unit}", f"/root/{unit}.sh"
    # put-file splits the command at its spaces.
    host.put_file(script, f"touch {mark}; sleep {SECONDS}\n")
    command = _command(len(content), at, f"sh {script}")
    _start(host, unit, f"printf '{content}' | {command}")
    _wait_until(host, f"test -e {mark}")
    _kill(host, unit)


def _start(host: LabHost, unit: str, script: str) -> None:
    host.run(["systemd-run", "--collect", "--unit", unit, "sh", "-c", script])


def _kill(host: LabHost, unit: str) -> None:
    host.run(["systemctl", "kill", "--signal=SIGKILL", unit])
    _wait_until(host, f"! systemctl is-active --quiet {unit}")


def _folder(host: LabHost) -> dict[str, str]:
    names = host.run("ls -A /var/opt/by-hand").stdout.split()
    return {name: host.get_file(f"/var/opt/by-hand/{name}") for name in names}


def _wait_until(host: LabHost, command: str) -> None:
    deadline = time.monotonic() + SECONDS
    while host.run(command, check=False).returncode != 0:
        assert time.monotonic() < deadline, f"not after {SECONDS} s: {command}"
        time.sleep(0.1)
