"""Python packages for images, fetched by this machine's pip.

That knows the machine's proxies and certificates; a build inside a container does not.
"""

import platform
import sys
from pathlib import Path

from tests.lab.run import clean_environment, run

PLATFORMS = ("manylinux_2_28", "manylinux_2_17", "manylinux2014")
"""What wheels for Debian may be built for, newest first."""


def download(requirements: Path, python: str, target: Path) -> None:
    """Put the wheels of the locked `requirements` for CPython `python` (`3.13`) into `target`.

    Every hash is checked. Raises CommandError when a package has no wheel for this kind of machine.
    """
    tags = [word for name in PLATFORMS for word in ("--platform", f"{name}_{platform.machine()}")]
    abis = [word for abi in (f"cp{python.replace('.', '')}", "abi3", "none") for word in ("--abi", abi)]
    run(
        [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
            *("--no-deps", "--require-hashes", "--only-binary", ":all:"),
            *("--implementation", "cp", "--python-version", python, *abis, *tags, "--platform", "any"),
            *("--requirement", str(requirements), "--dest", str(target)),
        ],
        log="wheels",
        env=clean_environment(),
    )
