"""What runs on a host keeps to what the oldest of the promised releases documents: Ubuntu 22.04.

It has coreutils 8.32, findutils 4.8, grep 3.7, sed 4.8, util-linux 2.37, systemd 249 and Python 3.10. Its awk is mawk
1.3.4-20200120, the same as Debian 12's, where all of it is tried. The tables hold what is used, by these versions'
manuals: something new is looked up there first, and then added.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rendering.rootfs import TOOLS, TREE

OPTIONS = {
    "awk": "-F -f -v",
    "cat": "-A -n -s",
    "chmod": "-R --reference",
    "chown": "-R -h --from --reference",
    "cp": "-a -f -L -p -P -R -r -T -t -u --preserve --reflink --remove-destination --sparse",
    "cut": "-b -c -d -f -s --complement --output-delimiter",
    "date": "-d -I -R -r -s -u --date --iso-8601 --reference --rfc-3339 --utc",
    "df": "-B -k -l -P --output --block-size --local",
    "find": "-H -L -P -a -o -not -delete -empty -exec -group -ignore_readdir_race -iname -links -maxdepth -mindepth "
    "-mmin -mount -mtime -name -newer -newermt -path -perm -print -print0 -printf -prune -quit -regex -samefile -size "
    "-type -user -wholename -xdev",
    "flock": "-c -E -e -n -o -s -u -w -x --conflict-exit-code --exclusive --nonblock --shared --timeout",
    "grep": "-A -B -C -E -F -H -L -P -R -a -c -e -f -h -i -l -m -n -o -q -r -s -v -w -x -z",
    "head": "-c -n -q -z",
    "id": "-G -g -n -r -u -z",
    "join": "-1 -2 -a -e -i -j -o -t -v -z --check-order --header --nocheck-order",
    "ln": "-T -f -n -r -s -t -v",
    "mkdir": "-m -p -v",
    "mkfifo": "-m",
    "mktemp": "-d -p -q -u --suffix --tmpdir",
    "mv": "-T -b -f -i -n -t -u -v",
    "nsenter": "-C -F -G -S -T -U -a -i -m -n -p -r -t -u -w -Z --all --ipc --mount --net --pid --root --target --uts",
    "od": "-A -N -j -t -v -w",
    "readlink": "-e -f -m -n -q -s -z",
    "rm": "-d -f -r -v --force --one-file-system",
    "rmdir": "-p -v --ignore-fail-on-non-empty",
    "runuser": "-c -g -l -m -s -u -w",
    "sed": "-E -e -f -i -n -r -s -u -z",
    "sort": "-C -R -V -b -c -f -g -h -k -m -n -o -r -s -t -u -z",
    "stat": "-L -c -f -t --format --printf",
    "sync": "-d -f",
    "systemctl": "-p -q --all --failed --no-block --no-legend --no-pager --no-reload --now --plain --property --quiet "
    "--state --type --value --runtime",
    "tail": "-c -f -n -q -s --follow --lines --pid --retry",
    "tee": "-a -i -p --output-error",
    "touch": "-a -c -d -h -m -r -t --date --reference",
    "tr": "-C -c -d -s -t",
    "truncate": "-c -o -r -s",
    "wc": "-L -c -l -m -w --files0-from",
    "xargs": "-0 -I -L -P -d -n -r -s -t -x --no-run-if-empty --null",
}
_DIRECTIVES = (
    "After Before Conflicts ConditionPathExists DefaultDependencies Description Documentation OnFailure "
    "PartOf Requires Wants BindsTo RequiresMountsFor StartLimitBurst StartLimitIntervalSec WantedBy Also "
    "Environment EnvironmentFile ExecCondition ExecReload ExecStart ExecStartPost ExecStartPre ExecStop "
    "ExecStopPost Group IOSchedulingClass IOSchedulingPriority KillMode MemoryMax Nice NoNewPrivileges "
    "PrivateTmp ProtectHome ProtectSystem ReadWritePaths "
    "RemainAfterExit Restart RestartSec RuntimeDirectory RuntimeDirectoryMode StandardError "
    "StandardOutput StateDirectory SuccessExitStatus SyslogIdentifier TimeoutStartSec TimeoutStopSec Type "
    "UMask User WorkingDirectory AccuracySec FixedRandomDelay OnBootSec OnCalendar OnUnitActiveSec "
    "Persistent RandomizedDelaySec Unit"
)
DIRECTIVES = set(_DIRECTIVES.split())

SHELL = [
    *sorted(path for path in TREE.rglob("*") if path.is_file() and path.read_bytes().startswith(b"#!/bin/sh\n")),
    TREE.parent / "review" / "inspect-host.sh",
]
UNITS = sorted(path for path in (TREE / "etc/systemd/system").iterdir() if path.is_file())
# A command begins a line, or follows what ends another or leads up to one; a line of Python or awk has none.
_COMMAND = re.compile(
    r"(?:^|[|&;({!]|\b(?:then|do|else|if|while|until|exec)\b)[ \t]*"
    rf"({'|'.join(OPTIONS)})(?![\w./-])((?:[ \t]+(?:\"[^\"]*\"|'[^']*'|[^ \t\n|&;()]+))*)",
    re.MULTILINE,
)

_ENDS = {"xargs": r"\s(?=[^-\s])", "flock": r"\s(?=/)"}
"""Where the options of a command end that runs another one: at its first word, and at the lock's path."""


def _name(path: Path) -> str:
    return path.name


def undocumented(script: str) -> set[tuple[str, str]]:
    """Commands with an option that the table does not have for them."""
    lines = "\n".join(line for line in script.replace("\\\n", " ").splitlines() if not line.lstrip().startswith("#"))
    found = set()
    for command, words in _COMMAND.findall(lines):
        bare = re.sub(r"\"[^\"]*\"|'[^']*'", "", words)
        own = re.split(_ENDS.get(command, r"\s--(?=\s|$)"), bare)[0]
        for word in re.findall(r"(?<=\s)(-[\w-]+)", own):
            if not _is_documented(word, OPTIONS[command].split()):
                found.add((command, word))
    return found


def _is_documented(word: str, known: list[str]) -> bool:
    """A long option, or short ones in one word, the last with its value."""
    if word.startswith("--") or word in known:
        return word in known
    letters = re.match(r"-(\w+?)\d*$", word)
    return re.fullmatch(r"-\d+", word) is not None or (
        letters is not None and all(f"-{letter}" in known for letter in letters[1])
    )


@pytest.mark.parametrize("path", SHELL, ids=_name)
def test_options_are_documented_there(path: Path) -> None:
    """One that is newer would be refused by a host that is promised."""
    assert undocumented(path.read_text()) == set()


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("cp --update=none a b\n", {("cp", "--update")}),
        ("x=$(wc --total=never file)\n", {("wc", "--total")}),
        ("true && mv --exchange a b\n", {("mv", "--exchange")}),
        ("if systemctl -q list-units --json=short; then :; fi\n", {("systemctl", "--json")}),
        ("flock -w 120 /run/lock timeout -k 5 90 true\n", set()),
        ("flock -w 120 --fcntl /run/lock true\n", {("flock", "--fcntl")}),
        ("sort -zu <a | cut -d: -f6 | head -n 1\n", set()),
    ],
)
def test_a_newer_option_is_noticed(script: str, found: set[tuple[str, str]]) -> None:
    """Wherever in a script."""
    assert undocumented(script) == found


@pytest.mark.parametrize("path", UNITS, ids=_name)
def test_directives_are_documented_there(path: Path) -> None:
    """systemd warns of one that it does not know, and goes on without."""
    used = set(re.findall(r"^([A-Z]\w+)=", path.read_text(), re.MULTILINE))
    assert used
    assert used <= DIRECTIVES


def _python_faults(paths: list[Path], modules: Path) -> list[str]:
    """What a type checker finds when it takes them for Python 3.10: syntax, modules and names that came later."""
    argv = [sys.executable, "-m", "mypy", "--python-version", "3.10", "--check-untyped-defs", "--no-incremental"]
    settings = ["--config-file", "/dev/null", "--explicit-package-bases", "--cache-dir", "/dev/null"]
    done = subprocess.run(
        [*argv, *settings, *map(str, paths)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "MYPYPATH": str(modules)},
    )
    return [line for line in done.stdout.splitlines() if ": error: " in line]


def _python_of_the_host(folder: Path) -> list[Path]:
    """Copies that a type checker can read: the tools' modules as they lie, and each script with a name of its own."""
    tools = TREE / TOOLS.lstrip("/")
    copies = []
    for path in (path for path in TREE.rglob("*") if path.is_file()):
        if path.suffix == ".py":
            copy = folder / path.relative_to(tools)
        elif re.match(rb"#!.*python", path.read_bytes()):
            copy = folder / f"script_{path.name.replace('-', '_')}.py"
        else:
            continue
        copy.parent.mkdir(parents=True, exist_ok=True)
        copies.append(Path(shutil.copy(path, copy)))
    return copies


def test_python_of_the_host_is_that_of_3_10(tmp_path: Path) -> None:
    """And newer syntax, modules and names would be noticed."""
    newer = {
        "newer_syntax": "try:\n    pass\nexcept* OSError:\n    pass\n",
        "newer_module": "import tomllib\n",
        "newer_name": "from datetime import UTC\n",
    }
    tools = _python_of_the_host(tmp_path)
    syntax, *others = [tmp_path / f"{what}.py" for what in newer]
    for path in (syntax, *others):
        path.write_text(newer[path.stem])
    assert _python_faults([syntax], tmp_path)
    # One run for all, as each takes seconds: the two are noticed, and nothing else.
    found = _python_faults([*others, *tools], tmp_path)
    assert {Path(fault.partition(":")[0]).stem for fault in found} == {path.stem for path in others}, found
