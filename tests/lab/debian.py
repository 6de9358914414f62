"""Base images of Debian, made by debootstrap from the mirror that this machine uses itself, and of Ubuntu."""

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.lab.docker import docker, environment, inspect
from tests.lab.locks import locked
from tests.lab.log import step
from tests.lab.machine import ensure_commands, which
from tests.lab.paths import log_file
from tests.lab.run import LabError, clean_environment, run, stream

RECIPE = "minbase-2"
"""Change it when the way a base is made changes: all images are then made anew."""

UBUNTU_SUITES = ("jammy", "noble")
"""Ubuntu 22.04 and 24.04: for hosts where Ubuntu's archive is reached."""

WASTE = (
    "usr/share/doc/*",
    "usr/share/info/*",
    "usr/share/man/*",
    "usr/share/locale/*",
    "var/cache/apt/*.bin",
    "var/cache/apt/archives/*.deb",
    "var/log/*.log",
)
"""What no container needs."""


def base_key(suite: str) -> str:
    """A short text that changes with the way the base of `suite` is made."""
    return hashlib.sha256(f"{RECIPE}-{suite}".encode()).hexdigest()[:12]


def base_image(suite: str) -> str:
    """The reference of a minimal image of `suite`, made if it isn't there."""
    reference = f"docker-registry-lab/debian:{suite}-{base_key(suite)}"
    if inspect("image", reference) is not None:
        return reference
    ensure_commands("debootstrap")
    with locked(f"debian-{suite}"):
        if inspect("image", reference) is None:
            with step(f"images: base {suite}"):
                _make(suite, reference)
    return reference


def mirror() -> str:
    """The Debian mirror of this machine's apt sources, or "" to leave the choice to debootstrap."""
    form = "$(ORIGIN)|$(COMPONENT)|$(LABEL)|$(REPO_URI)"
    if not shutil.which("apt-get"):
        return ""
    done = run(
        ["apt-get", "indextargets", "--format", form, "Created-By: Packages"],
        log="debian",
        check=False,
        env=clean_environment(),
    )
    for line in done.stdout.splitlines():
        fields = line.split("|")
        if fields[:3] == ["Debian", "main", "Debian"]:
            return fields[3]
    return ""


def _make(suite: str, reference: str) -> None:
    debootstrap = which("debootstrap")
    if debootstrap is None:
        raise LabError("there is no debootstrap on this machine: install the package debootstrap")
    with tempfile.TemporaryDirectory(prefix="docker-registry-lab-") as folder:
        root = Path(folder) / "root"
        stream(
            [debootstrap, "--variant=minbase", *_source(suite, root)],
            log=f"debian-{suite}",
            env=clean_environment() | {"DEBIAN_FRONTEND": "noninteractive"},
        )
        for waste in WASTE:
            for path in root.glob(waste):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        (root / "etc/apt/apt.conf.d/90lab").write_text(_apt_settings())
        _import(root, reference, log_file(f"debian-{suite}"))


def _source(suite: str, root: Path) -> list[str]:
    """What to make, where, and from which mirror. Ubuntu's docker.io is in a component of its own."""
    if suite in UBUNTU_SUITES:
        return ["--components=main,universe", suite, str(root)]
    address = mirror()
    return [suite, str(root), *([address] if address else [])]


def _apt_settings() -> str:
    """How this machine fetches packages (proxy, validity checks); containers on it need the same."""
    done = run(["apt-config", "dump"], log="debian", check=False, env=clean_environment())
    kept = ("Acquire::http::", "Acquire::https::", "Acquire::Check-", "Acquire::Retries")
    return "".join(f"{line}\n" for line in done.stdout.splitlines() if line.startswith(kept))


def _import(root: Path, reference: str, log: Path) -> None:
    with log.open("ab") as errors:
        tar = subprocess.Popen(
            ["tar", "--numeric-owner", "--one-file-system", "-C", str(root), "-c", "."],
            stdout=subprocess.PIPE,
            stderr=errors,
        )
        with tar:
            stream(["docker", "import", "-", reference], log="images", env=environment(), stdin=tar.stdout)
    if tar.returncode != 0:
        docker("image", "rm", reference, check=False)
        raise LabError(f"tar failed: see {log}")
