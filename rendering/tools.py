"""The host's tools as one script that installs them: one round trip, however many they are."""

from dataclasses import dataclass
from pathlib import Path

from jinja2 import Template

from rendering.rootfs import TOOLS, fingerprint, render, tools

COMMANDS = "/usr/local/bin"
"""Where the tools lie that people call by name."""

PUT_FILE = f"{TOOLS}/put-file"
REMOVE_FILE = f"{TOOLS}/remove-file"

_TEMPLATE = Path(__file__).with_name("install-tools.sh.j2")


@dataclass(frozen=True)
class Tool:
    """A tool: its place on the host and its text."""

    path: str
    content: str

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.content.encode())

    @property
    def fingerprint(self) -> str:
        """A mark at the top of the script, so that a preview's diff names the tool whose lines it shows."""
        return fingerprint(self.content)

    @property
    def mark(self) -> str:
        """The line that ends the tool within the script. No tool has such a line of its own."""
        return f"== end of {self.path.rpartition('/')[2]} {self.fingerprint} =="


def tool_paths() -> list[str]:
    """The tools in the order in which they are installed: the first needs no other, the second undoes the rest."""
    leading = [PUT_FILE, REMOVE_FILE]
    return leading + [path for path in tools() if path not in leading]


def install_script(owner: str) -> str:
    """A script for `sh -s` that installs all tools in the name of `owner`, and retires those that `owner` had besides.

    A tool that somebody changed on the host is kept beside the new one. A script that arrives cut off changes nothing
    and fails. The script's arguments, if it has any, are a command that it becomes in the end.
    """
    found = [Tool(path, render(path).content) for path in tool_paths()]
    template = Template(_TEMPLATE.read_text(), trim_blocks=True, keep_trailing_newline=True)
    return str(
        template.render(
            tools=found, folder=TOOLS, commands=COMMANDS, put_file=PUT_FILE, remove_file=REMOVE_FILE, owner=owner
        )
    )


def removal_command(owner: str) -> str:
    """Shell text that removes the tools of `owner`, the means to do so last. Without the tools it does nothing."""
    others = " ".join(path for path in reversed(tool_paths()) if path != PUT_FILE)
    return (
        f"for tool in {others}; do test ! -x {REMOVE_FILE} || {REMOVE_FILE} --for {owner} $tool; done; "
        f"rm -f {PUT_FILE}; rmdir {TOOLS} 2>/dev/null || true"
    )
