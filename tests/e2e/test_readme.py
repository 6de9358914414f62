"""A new user's first host, as README and docs/moving.md say it: each block is run, in the order of a host's life."""

import os
import re
import secrets
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.docs.blocks import Block, blocks
from tests.e2e.conftest import NewHost
from tests.lab.clients import TEST_IMAGE
from tests.lab.clone import Clone
from tests.lab.engine import engine
from tests.lab.host import LabHost
from tests.lab.run import run

pytestmark = pytest.mark.e2e

FQDN = "dr.example.net"
HERE = [block for block in blocks() if "tests/e2e/test_readme.py" in block.mark]
IMAGE = "alpine"


@dataclass
class Newcomer:
    """A user at a machine with a clone, a host of the name that README uses, and another machine with Docker.

    Words are changed only where the lab differs: what is asked is answered, a name leads to an address, the key is the
    lab's own, and the image to push is one that the lab's hub has.
    """

    clone: Clone
    host: LabHost
    client: LabHost
    password: str
    home: Path
    agent: str
    root: str = "/var/opt"

    def types(self, statement: str, *, stdin: str = "") -> str:
        """A statement at the user's own machine; what it prints."""
        answered = re.sub(r"\bpulumi (up|destroy)\b", r"pulumi \1 --yes --non-interactive", statement)
        # `--local` is the home directory that the user database has, whatever HOME says.
        answered = answered.replace("pulumi login --local", f"pulumi login file://{self.home}")
        answered = re.sub(r"\bssh-add$", f"ssh-add -q {self.host.private_key_path}", answered)
        if "ssh-keyscan" in answered:
            answered = answered.replace(FQDN, self.host.address)
        # `ssh client COMMAND`, whatever the user calls that machine.
        other = f'ssh() {{ shift; command {shlex.join(self.client.ssh_command())} "$@"; }}\n'
        done = run(
            ["sh", "-ec", other + answered],
            log="readme",
            stdin=stdin,
            cwd=self.clone.folder,
            env=self._environment(),
            timeout=600,
            private=bool(stdin),
        )
        return done.stdout

    def types_on(self, host: LabHost, statement: str, *, stdin: str | None = None) -> str:
        """A statement at another machine."""
        answered = re.sub(r"\bdocker login (\S+)$", r"docker login --username alice --password-stdin \1", statement)
        answered = re.sub(rf"(?<= ){IMAGE}\b", TEST_IMAGE, answered)
        return host.run(answered.replace("/var/opt/", f"{self.root}/"), stdin=stdin).stdout

    def _environment(self) -> dict[str, str]:
        # Nobody else's login is changed.
        environment = dict(engine().environment)
        del environment["PULUMI_BACKEND_URL"]
        return environment | {
            "PULUMI_CREDENTIALS_PATH": str(self.home),
            "SSH_AUTH_SOCK": self.agent,
        }


def block(heading: str, beginning: str) -> Block:
    """The one block below a heading that begins so."""
    (found,) = [one for one in HERE if one.heading == heading and one.text.startswith(beginning)]
    return found


@pytest.fixture(scope="module")
def agent() -> Iterator[str]:
    """The socket of an SSH agent without keys."""
    said = subprocess.run(["ssh-agent", "-s"], capture_output=True, text=True, check=True).stdout
    found = dict(re.findall(r"(SSH_AUTH_SOCK|SSH_AGENT_PID)=([^;]+);", said))
    yield found["SSH_AUTH_SOCK"]
    subprocess.run(["ssh-agent", "-k"], env=os.environ | found, capture_output=True, check=True)


@pytest.fixture(scope="module")
def user(
    new_host: NewHost, client_host: LabHost, agent: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Newcomer]:
    """Nothing is there yet."""
    folder = tmp_path_factory.mktemp("readme")
    home = folder / "home"
    home.mkdir()
    made = Newcomer(
        Clone(folder / "clone"),
        new_host("readme", aliases=[FQDN]),
        client_host,
        secrets.token_hex(16),
        home,
        agent,
    )
    yield made
    client_host.run(f"docker logout {FQDN}; rm -rf /etc/docker/certs.d/{FQDN}", check=False)


def test_every_block_is_run_here() -> None:
    """Those that say so, and no other."""
    assert [(one.heading, one.statements[0].partition(" |")[0]) for one in HERE] == [
        ("1. Deploy", "pulumi login --local"),
        ("2. Let clients trust the certificate", "pulumi stack output certificateAuthority"),
        ("3. Push", f"docker login {FQDN}"),
        ("Moving the data", "pulumi destroy"),
        ("Removing data", "docker volume rm registry-data registry-logs registry-ui-logs"),
    ]


def test_your_own_host(user: Newcomer) -> None:
    """From nothing to a registry that the client can use."""
    for statement in block("1. Deploy", "pulumi login").statements:
        stdin = f"{user.password}\n" if "password" in statement else ""
        said = user.types(statement, stdin=stdin)
        if statement.startswith("ssh-keyscan"):
            assert said.strip() == user.host.host_key
        if statement.startswith("cp "):
            _change_what_is_set(user)
    # Pulumi has written the file anew by now: what is commented out is where it was.
    written, example = ((user.clone.folder / f"Pulumi.{name}.yaml").read_text() for name in ("production", "example"))
    comments = [line for line in example.splitlines() if line.lstrip().startswith("#")]
    assert [line for line in written.splitlines() if line.lstrip().startswith("#")] == comments
    (trusted,) = block("2. Let clients trust the certificate", "pulumi stack output").statements
    user.types(trusted)
    _use(user)


def _change_what_is_set(user: Newcomer) -> None:
    """What a user edits: the host's address and key, and a certificate that needs no public name."""
    file = user.clone.folder / "Pulumi.production.yaml"
    text = file.read_text()
    for setting, value in {"address": user.host.address, "hostKey": user.host.host_key, "mode": "self-signed"}.items():
        text, count = re.subn(rf"^(    {setting}: ).*$", rf"\g<1>{value}", text, count=1, flags=re.MULTILINE)
        assert count == 1
    file.write_text(text)


def _use(user: Newcomer) -> None:
    """The block for any Docker client."""
    for statement in block("3. Push", "docker login").statements:
        user.types_on(user.client, statement, stdin=f"{user.password}\n" if "login" in statement else None)


def test_moving_the_data(user: Newcomer) -> None:
    """What was pushed is there, at another place."""
    for statement in block("Moving the data", "pulumi destroy").statements:
        if statement.startswith("pulumi "):
            user.types(statement)
        else:
            user.types_on(user.host, statement)
    user.root = "/srv/registry"
    name = f"{FQDN}/{IMAGE}"
    user.client.run(f"docker image rm {name} && docker pull {name}")
    assert user.host.run("ls /var/opt").stdout.split() == []


def test_removing_data(user: Newcomer) -> None:
    """Nothing of the registry is left."""
    user.types("pulumi destroy")
    for statement in block("Removing data", "docker volume rm").statements:
        user.types_on(user.host, statement)
    assert user.host.run("ls /srv/registry").stdout.split() == []
    assert user.host.run("docker volume ls -q; docker ps -aq; ls -d /var/lib/docker-registry* || true").stdout == ""
