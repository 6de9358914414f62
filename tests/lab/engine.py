"""The Pulumi engine and its plugins: what is installed wins; the rest is built or stood in for."""

import compileall
import os
import secrets
import shlex
import shutil
import sys
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

from tests.lab import gotools
from tests.lab.locks import locked
from tests.lab.machine import ensure_commands
from tests.lab.paths import ROOT, private_directory, run_dir, write_private
from tests.lab.run import clean_environment, run


@dataclass(frozen=True)
class Plugin:
    """A plugin the program needs: its executable, the module of its stand-in, the package with its version."""

    kind: str
    name: str
    module: str
    package: str = ""

    @property
    def executable(self) -> str:
        """The file name that the engine looks for."""
        return f"pulumi-{self.kind}-{self.name}"

    @property
    def version(self) -> str:
        """The version that the installed Python package asks the engine for, or "" for any."""
        return metadata.version(self.package) if self.package else ""


PLUGINS = (
    Plugin("resource", "docker", "tests.lab.standins.docker_provider", "pulumi_docker"),
    Plugin("resource", "command", "tests.lab.standins.command_provider", "pulumi_command"),
    Plugin("language", "python", "tests.lab.standins.language_host"),
)

PASSPHRASE_FILE = "PULUMI_CONFIG_PASSPHRASE_FILE"
"""The variable that tells the engine the file with the passphrase of all stacks."""

ANY = "3.0.0"
"""The version under which a stand-in is installed when any will do."""


@dataclass(frozen=True)
class Engine:
    """An engine ready to run: the executable, its environment, and which plugins are stand-ins."""

    pulumi: Path
    home: Path
    environment: dict[str, str]
    standins: tuple[str, ...]


@cache
def engine() -> Engine:
    """Find or build the engine, put stand-ins where plugins are missing, and say how to run it."""
    ensure_commands("ssh")
    installed = _installed_pulumi()
    pulumi = installed or gotools.build("pulumi")
    user_home = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
    folders = [pulumi.parent, pulumi.resolve().parent] if installed else []
    missing = tuple(plugin for plugin in PLUGINS if not _is_installed(plugin, user_home, folders))
    in_user_home = any(_in_plugin_folder(plugin, user_home) for plugin in PLUGINS)
    home = user_home if in_user_home else run_dir("pulumi-home")
    with locked("standins"):
        bin_folder = _write_standins(missing, None if in_user_home else home)
        if not in_user_home:
            _keep_no_logs(home)
    environment = clean_environment() | {
        "PATH": os.pathsep.join([str(bin_folder), str(pulumi.parent), os.environ.get("PATH", "")]),
        "PULUMI_HOME": str(home),
        # Beside every file of the state the engine writes one of metadata, not atomically: killed there, it could not
        # read the state any more.
        "PULUMI_BACKEND_URL": f"file://{run_dir('state')}?metadata=skip",
        PASSPHRASE_FILE: str(_passphrase_file()),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_AUTOMATION_API_SKIP_VERSION_CHECK": "true",
    }
    environment.pop("SSH_AUTH_SOCK", None)
    if missing:
        environment["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] = "true"
    _make_state(pulumi, environment)
    return Engine(pulumi, home, environment, tuple(plugin.executable for plugin in missing))


def _installed_pulumi() -> Path | None:
    found = shutil.which("pulumi") or shutil.which(str(Path.home() / ".pulumi/bin/pulumi"))
    return Path(found) if found else None


def _is_installed(plugin: Plugin, home: Path, folders: list[Path]) -> bool:
    if shutil.which(plugin.executable) or _in_plugin_folder(plugin, home):
        return True
    return any(os.access(folder / plugin.executable, os.X_OK) for folder in folders)


def _in_plugin_folder(plugin: Plugin, home: Path) -> bool:
    """Whether Pulumi's own plugin folder has this plugin in a version that serves the Python package."""
    for path in (home / "plugins").glob(f"{plugin.kind}-{plugin.name}-v*/{plugin.executable}"):
        version = path.parent.name.rpartition("-v")[2]
        if not plugin.version or _serves(version, plugin.version):
            return True
    return False


def _serves(installed: str, wanted: str) -> bool:
    """Same major version, and not older."""
    have, want = _numbers(installed), _numbers(wanted)
    return have[:1] == want[:1] and have >= want


def _numbers(version: str) -> list[int]:
    return [int(part) if part.isdigit() else 0 for part in version.partition("-")[0].split(".")]


def _write_standins(missing: tuple[Plugin, ...], home: Path | None) -> Path:
    """Write the missing plugins' executables and remove those that are no longer missing.

    They go to the plugin folder of the lab's own `home`; of those on PATH, the other place, the engine warns.
    """
    bin_folder = run_dir("bin", "plugins")
    wanted: set[Path] = set()
    for plugin in missing:
        if home:
            folder = private_directory(home / "plugins" / f"{plugin.kind}-{plugin.name}-v{plugin.version or ANY}")
        else:
            folder = bin_folder
        wanted.add(folder / plugin.executable)
    present = {*bin_folder.glob("pulumi-*")}
    if home:
        present |= {*(home / "plugins").glob("*/pulumi-*")}
    for path in present - wanted:
        path.unlink()
    for plugin in missing:
        script = (
            "#!/bin/sh\n"
            f"PYTHONPATH={shlex.quote(str(ROOT))} PYTHONSAFEPATH=1 "
            f'exec {shlex.quote(sys.executable)} -m {plugin.module} "$@"\n'
        )
        for path in wanted:
            if path.name == plugin.executable and (not path.exists() or path.read_text() != script):
                write_private(path, script, 0o700)
    if missing:
        _compile_standins()
    return bin_folder


def _compile_standins() -> None:
    """What an installer does for a package: where Python is told to write no bytecode, each start would compile."""
    for folder in (ROOT / "tests", ROOT / "tests/lab", ROOT / "tests/lab/standins"):
        compileall.compile_file(folder / "__init__.py", quiet=2)
    compileall.compile_dir(folder, maxlevels=0, quiet=2)


def _keep_no_logs(home: Path) -> None:
    """Of each run the engine packs and encrypts all it could say, which nobody reads, for a fifth of the CPU time.

    It goes without where it can't make the folder for that, and has no setting.
    """
    logs = home / "logs"
    if logs.is_dir():
        shutil.rmtree(logs)
    logs.touch()


def _make_state(pulumi: Path, environment: dict[str, str]) -> None:
    """Of two engines that find no state at once, one could take the other's for that of an old engine."""
    with locked("state"):
        if not (run_dir("state") / ".pulumi" / "meta.yaml").exists():
            run([str(pulumi), "stack", "ls", "--non-interactive"], log="engine", env=environment)


def _passphrase_file() -> Path:
    path = run_dir() / "passphrase"
    with locked("passphrase"):
        if not path.exists():
            write_private(path, secrets.token_urlsafe(32) + "\n")
    return path
