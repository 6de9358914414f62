"""The script that installs the host's tools: whole or not at all, and what is no tool any more goes."""

from __future__ import annotations

import hashlib
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rendering import tools as subject
from rendering.rootfs import TOOLS, TREE, HostFile, render, tools
from rendering.tools import install_script, removal_command
from tests.rendering.host_tools import OWNER

PLACES = (TOOLS, "/usr/local/bin", "/etc/docker-registry", "/var/lib/docker-registry", "/run/docker-registry-locks")
ME = "host-tools@ssh"


class BlankHost:
    """A directory that stands for a host without tools."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "run").mkdir()

    def run(self, script: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Runs a script as `sh -s` does, every place on the host moved below the directory."""
        argv = ["sh", "-s", "--", *words]
        return subprocess.run(argv, input=self._moved(script), capture_output=True, text=True, timeout=60, check=False)

    def files(self) -> dict[str, str]:
        """The tools that are there."""
        folders = [self.root / place.lstrip("/") for place in (TOOLS, "/usr/local/bin")]
        found = [path for folder in folders if folder.is_dir() for path in folder.rglob("*") if path.is_file()]
        return {f"/{path.relative_to(self.root)}": path.read_text() for path in found}

    def wanted(self) -> dict[str, str]:
        """The tools as they should be there."""
        return {path: self._moved((TREE / path.lstrip("/")).read_text()) for path in tools()}

    def _moved(self, script: str) -> str:
        for place in PLACES:
            script = script.replace(place, f"{self.root}{place}")
        return script.replace("root:root", OWNER)


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BlankHost:
    """A host without tools. The sizes are those of the moved scripts."""
    blank = BlankHost(tmp_path)
    monkeypatch.setattr(subject.Tool, "size", property(lambda tool: len(blank._moved(tool.content).encode())))
    return blank


def test_all_tools_are_installed(host: BlankHost) -> None:
    """Executable, and nothing else is left; a second time changes nothing."""
    for _ in range(2):
        done = host.run(install_script(ME))
        assert (done.returncode, done.stderr) == (0, "")
        assert host.files() == host.wanted()
    for path in tools():
        mode = (host.root / path.lstrip("/")).stat().st_mode & 0o777
        assert mode == (0o644 if path.endswith(".py") else 0o755)


@pytest.mark.parametrize("part", [0.0, 0.02, 0.2, 0.5, 0.9, 0.99, 0.999])
def test_a_script_that_arrives_in_part_changes_nothing(host: BlankHost, part: float) -> None:
    """Wherever the connection breaks, and it is an error unless nothing at all arrived, which the shell can't see."""
    script = install_script(ME)
    done = host.run(script[: int(len(script) * part)])
    assert host.files() == {}
    if part > 0.1:
        assert done.returncode != 0


def test_a_script_without_its_last_line_changes_nothing(host: BlankHost) -> None:
    """It is good shell, and would end well without having done anything."""
    done = host.run(install_script(ME).removesuffix('main "$@"\n'))
    assert done.returncode != 0
    assert "did not arrive whole" in done.stderr
    assert host.files() == {}


def test_a_full_disk_changes_nothing(host: BlankHost) -> None:
    """Where not all that was said has been written."""
    host.run(install_script(ME))
    before = host.files()
    done = host.run(install_script(ME).replace("print >file", 'if ($0 !~ "import") print >file'))
    assert (done.returncode, done.stderr) == (1, "there was no room for all tools; nothing was changed\n")
    assert host.files() == before


@pytest.mark.parametrize("there", ["nothing", "one tool", "half a stage", "one tool and half a stage"])
def test_what_a_killed_run_left_is_made_good(host: BlankHost, there: str) -> None:
    """And all of it is known for the program's: nothing is kept beside, and removal takes it all."""
    left = {
        "one tool": ("usr/local/bin/registry-gc", host.wanted()["/usr/local/bin/registry-gc"]),
        "half a stage": (f"{TOOLS[1:]}.new~/{TOOLS}/keep-secret", "half"),
    }
    for place, text in (found for name, found in left.items() if name in there):
        path = host.root / place
        path.parent.mkdir(parents=True)
        path.write_text(text)
    done = host.run(install_script(ME))
    assert (done.returncode, done.stderr) == (0, "")
    assert host.files() == host.wanted()
    assert not (host.root / f"{TOOLS[1:]}.new~").exists()
    host.run(removal_command(ME))
    assert host.files() == {}
    assert not [*(host.root / "var/lib/docker-registry/files").iterdir()]


def test_runs_at_the_same_time_wait_for_each_other(host: BlankHost) -> None:
    """One whose engine was killed goes on while the next comes: both end well, and all is there."""
    with ThreadPoolExecutor(3) as pool:
        ended = list(pool.map(lambda _: host.run(install_script(ME)), range(3)))
    assert [(done.returncode, done.stderr) for done in ended] == [(0, "")] * 3
    assert host.files() == host.wanted()


def _kept_beside(host: BlankHost, path: Path) -> str:
    """What of a file that is in the tools' way the installation keeps, and says so."""
    done = host.run(install_script(ME))
    assert "kept as" in done.stderr
    [backup] = path.parent.glob(f"{path.name}.*~")
    return backup.read_text()


def test_somebody_s_own_file_is_kept_beside(host: BlankHost) -> None:
    """Also where there is no other tool yet."""
    own = host.root / "usr/local/bin/registry-gc"
    own.parent.mkdir(parents=True)
    own.write_text("mine")
    assert _kept_beside(host, own) == "mine"


def test_the_command_after_it_runs_by_the_tools(host: BlankHost) -> None:
    """Its words arrive, its input is empty, and its failure is the script's."""
    host.run(install_script(ME))
    said = host.run(install_script(ME), "sh", "-c", 'cat; echo "$0 $1"; exit 3', "a  word", "another")
    assert (said.returncode, said.stdout) == (3, "a  word another\n")


@pytest.mark.parametrize("retired", [f"{TOOLS}/running-versions", f"{TOOLS}/registryctl/selection.py"])
def test_what_is_no_tool_any_more_goes(host: BlankHost, monkeypatch: pytest.MonkeyPatch, retired: str) -> None:
    """And what others put beside stays."""
    host.run(install_script(ME))
    (host.root / "usr/local/bin/somebody-else-s").write_text("mine")
    monkeypatch.setattr(subject, "tools", lambda: [path for path in tools() if path != retired])
    done = host.run(install_script(ME))
    assert (done.returncode, done.stderr) == (0, "")
    assert host.files() == {
        **{path: text for path, text in host.wanted().items() if path != retired},
        "/usr/local/bin/somebody-else-s": "mine",
    }


def test_what_python_made_of_modules_goes(host: BlankHost) -> None:
    """Of somebody who imported one by hand; the tools themselves leave nothing."""
    for act in (install_script(ME), removal_command(ME)):
        host.run(install_script(ME))
        cache = host.root / TOOLS.lstrip("/") / "registryctl/__pycache__"
        cache.mkdir()
        (cache / "x.pyc").write_bytes(b"x")
        assert host.run(act).returncode == 0
        assert not cache.exists()


def _earlier(host: BlankHost, place: str) -> Path:
    """A tool that an earlier version had."""
    path = host.root / f"{TOOLS[1:]}/{place}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    entry = str(path).replace("%", "%25").replace("/", "%2F")
    (host.root / "var/lib/docker-registry/files" / entry).write_text(f"for {ME}\n{digest}\n")
    return path


@pytest.mark.parametrize("own", ["", "old/own.py", "own/__pycache__/x.pyc"])
def test_a_package_that_is_no_more_goes(host: BlankHost, own: str) -> None:
    """With those within, and what Python made of them. What others put there stays."""
    host.run(install_script(ME))
    package = host.root / f"{TOOLS[1:]}/registryctl"
    for place in ("old/__init__.py", "old/inner/__init__.py", "old/inner/z.py", "old/z.py"):
        cache = _earlier(host, f"registryctl/{place}").parent / "__pycache__"
        cache.mkdir(exist_ok=True)
        (cache / "x.pyc").write_bytes(b"x")
    if own:
        (package / own).parent.mkdir(parents=True, exist_ok=True)
        (package / own).write_text("mine")
    done = host.run(install_script(ME))
    assert (done.returncode, done.stderr) == (0, "")
    assert host.files() == host.wanted() | ({f"{TOOLS}/registryctl/{own}": "mine"} if own else {})
    assert sorted(package.glob("old/**")) == ([package / "old"] if own.startswith("old/") else [])


def test_the_image_of_a_tool_that_is_no_more_goes(host: BlankHost) -> None:
    """An earlier version deleted by an image of its own, and its facts say by which."""
    host.run(install_script(ME))
    old = _earlier(host, "run-regbot")
    facts = host.root / "etc/docker-registry/host.conf"
    facts.parent.mkdir(parents=True)
    facts.write_text("network=registry\nregbot_image=regclient/regbot:v0.11.7\n")
    said = f'docker() {{ echo "$*" >>{host.root}/said; return 1; }}\n'
    done = host.run(said + install_script(ME))
    assert (done.returncode, done.stderr) == (0, "")
    assert (host.root / "said").read_text() == "image rm regclient/regbot:v0.11.7\n"
    assert not old.exists()


def test_a_tool_changed_by_hand_is_kept_beside(host: BlankHost) -> None:
    """As with every file."""
    host.run(install_script(ME))
    edited = host.root / TOOLS.lstrip("/") / "keep-secret"
    edited.write_text("#!/bin/sh\n# mine\n")
    assert _kept_beside(host, edited) == "#!/bin/sh\n# mine\n"


def test_removal_takes_all_tools(host: BlankHost) -> None:
    """The means to remove last; once more does nothing."""
    host.run(install_script(ME))
    for _ in range(2):
        done = host.run(removal_command(ME))
        assert (done.returncode, done.stderr) == (0, "")
        assert host.files() == {}
        assert not (host.root / TOOLS.lstrip("/")).exists()


@pytest.mark.parametrize("path", tools())
def test_the_changed_tool_is_named_in_a_diff(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the lines around its text, and at the top."""
    before = set(install_script(ME).splitlines())

    def changed(place: str) -> HostFile:
        file = render(place)
        return HostFile(file.path, file.content + "# more\n") if place == path else file

    monkeypatch.setattr(subject, "render", changed)
    added = [line for line in install_script(ME).splitlines() if line not in before]
    name = path.rpartition("/")[2]
    assert added[0].startswith(f"#   {path} ")
    assert added[-1].startswith(f"== end of {name} ")
    assert "# more" in added
