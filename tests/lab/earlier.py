"""The earlier version of this program that it is compared with, and that one `up` brings here."""

import io
import subprocess
import tarfile
from pathlib import Path

from tests.lab.paths import ROOT, run_dir
from tests.lab.run import LabError

EARLIER = "27e0b9fb2f32a3d6fa1a63956f74acd8b6823989"

# The image for deleting, which the earlier version pulls, is called something else here: the lab's hub has it no more.
GONE_IMAGE = "busybox:1.37.0"
SETTINGS = {"images": {"regbot": GONE_IMAGE}}


def program() -> Path:
    """Its files, as the commit has them. Raises LabError where the checkout lacks its history."""
    folder = run_dir("earlier", EARLIER)
    if not (folder / "Pulumi.yaml").exists():
        done = subprocess.run(["git", "-C", str(ROOT), "archive", EARLIER], capture_output=True, check=False)
        if done.returncode:
            raise LabError(f"this checkout has no commit {EARLIER}: {done.stderr.decode(errors='replace').strip()}")
        with tarfile.open(fileobj=io.BytesIO(done.stdout)) as tar:
            tar.extractall(folder, filter="data")
    return folder
