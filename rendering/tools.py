"""The host's tools as one script that installs them: one round trip, however many they are."""

import re
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Template

from rendering.rootfs import COMMANDS, PACKAGE, TOOLS, fingerprint, packages, render, tools

PUT_FILE = f"{TOOLS}/put-file"
LEDGER = "/var/lib/docker-registry/files"
"""Where the host remembers which files are whose, and what was written."""

VERSION = re.findall(r'^VERSION = "(.+)"$', render(f"{PACKAGE}/__init__.py").content, re.MULTILINE)[0]
"""The version of the program, which its tools tell too."""

_CLOCK = "/var/lib/docker-registry/clock"
_TEMPLATE = Path(__file__).with_name("install-tools.sh.j2")


@dataclass(frozen=True)
class Tool:
    """A tool, or a module of one: its place on the host and its text."""

    path: str
    content: str

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.content.encode())

    @property
    def mode(self) -> str:
        """A module is read, not run."""
        return "0644" if self.path.endswith(".py") else "0755"

    @property
    def fingerprint(self) -> str:
        """A mark at the top of the script, so that a preview's diff names the tool whose lines it shows."""
        return fingerprint(self.content)

    @property
    def mark(self) -> str:
        """The line that ends the tool within the script. No tool has such a line of its own."""
        return f"== end of {self.path.rpartition('/')[2]} {self.fingerprint} =="


def check_script() -> str:
    """A script for `sh -s` that says whether a host can carry the registry, and claims it: see its first part."""
    parts = sorted(Path(__file__).with_name("check-host").glob("*.sh"))
    return "".join(part.read_text() for part in parts)


def found_tools() -> list[Tool]:
    """All tools, in the order of the script that installs them."""
    return [Tool(path, render(path).content) for path in tools()]


def install_script(owner: str) -> str:
    """A script for `sh -s` that installs all tools in the name of `owner`, and retires those that `owner` had besides.

    A tool that somebody changed on the host is kept beside the new one. A script that arrives cut off changes nothing
    and fails. The script's arguments, if it has any, are a command that it becomes in the end.
    """
    template = Template(_TEMPLATE.read_text(), trim_blocks=True, keep_trailing_newline=True)
    return str(
        template.render(
            tools=found_tools(),
            folder=TOOLS,
            packages=packages(),
            commands=COMMANDS,
            put_file=PUT_FILE,
            owner=owner,
        )
    )


def removal_command(owner: str) -> str:
    """Shell text that removes the tools of `owner`, and keeps those beside that somebody changed.

    It needs none of them, and where there are none it does nothing.
    """
    folders = [place for folder in packages() for place in (f"{folder}/__pycache__", folder)]
    compiled = " ".join(f"{folder}/__pycache__/*" for folder in packages())
    return (
        f"cd {LEDGER} 2>/dev/null || exit 0; "
        f"for entry in $(grep -lsxF 'for {owner}' *); do "
        "tool=$(echo \"$entry\" | sed 's|%2F|/|g; s|%25|%|g'); "
        'ours=$(sha256sum 2>/dev/null <"$tool" | cut -d " " -f 1); '
        '[ ! -e "$tool" ] || grep -qxF "$ours" "$entry" || mv "$tool" "$tool.$(date +%Y%m%d-%H%M%S)~"; '
        'rm -f "$tool" "$entry"; done; '
        # What the tools remember of the time.
        f"rm -f {compiled} {_CLOCK}; rmdir {' '.join(folders)} {TOOLS} 2>/dev/null || true"
    )
