"""The commands of `registryctl`, and the names under which some were there before it."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from registryctl import VERSION
from registryctl.endings import WRONG_USE, EndError, UsageError, printable
from registryctl.facts import FactsError
from registryctl.storage import AwayError

USAGE = """\
registryctl COMMAND [OPTION]...

  gc         remove from the registry's storage what no image needs any more
  rm         delete images by tag, digest or pattern; also of another registry
  retention  drop images by the policies of the stack
  usage      say how much space each repository and tag takes, and what its removal would free
  undo       bring back what a run removed
  trash      list what can be brought back, or empty it
  status     say how the registry is
  backup     back up the registry; list, check, remove and try backups
  restore    bring the registry, or single images, back out of a backup
  access     say who may do what
  metrics    say how the registry is, in numbers for Prometheus
  mirrors    keep mirrors of other registries within their bounds
  hosts      say which hosts have the same bucket, and forget one that is gone
  move       bring the images from files of the host to an object store, or back
  notify     tell somebody what became worse, and what is well again

Each explains itself: registryctl COMMAND --help. registryctl --version tells the version.
All but `rm --registry` need root on the registry's host. Where the images lie in an object store, those that work on
the host's files (backup, restore) do nothing and end with 9, UNSUPPORTED.
"""

COMMANDS = {
    "gc": "registryctl.collect",
    "rm": "registryctl.rm",
    "retention": "registryctl.retention",
    "usage": "registryctl.usage",
    "undo": "registryctl.restore",
    "trash": "registryctl.emptying",
    "status": "registryctl.status.command",
    "backup": "registryctl.backup",
    "restore": "registryctl.recover",
    "access": "registryctl.access",
    "metrics": "registryctl.metrics.command",
    "mirrors": "registryctl.mirrors.command",
    "hosts": "registryctl.hosts.command",
    "move": "registryctl.moving.command",
    "notify": "registryctl.notify",
}
"""Command → the module whose `run` it is."""

NAMES = {
    "docker-repository-rmi": "registryctl.rm",
    "registry-gc": "registryctl.unit",
    "registry-retention": "registryctl.retention",
    "registry-status": "registryctl.status.command",
}
"""What the program may be called → the module whose `run` that is."""


@dataclass(frozen=True)
class Command:
    """A command with all its modules loaded, and the words that it is given."""

    run: Callable[[Sequence[str], str], int]
    words: Sequence[str]
    name: str
    """What it is called in what it says."""


def load(words: Sequence[str], called: str = "registryctl") -> Command:
    """The command that is meant. Nothing is done yet."""
    if called in NAMES:
        return Command(importlib.import_module(NAMES[called]).run, words, called)
    if words and words[0] in COMMANDS:
        return Command(importlib.import_module(COMMANDS[words[0]]).run, words[1:], f"registryctl {words[0]}")
    return Command(_explain, words, "registryctl")


def main(command: Command) -> int:
    """Runs a command; its exit code."""
    try:
        code = command.run(command.words, command.name)
        # What nobody could be told is no success.
        sys.stdout.flush()
    except (UsageError, FactsError) as error:
        hint = "; --help explains" if isinstance(error, UsageError) else ""
        return _end(WRONG_USE, f"{command.name}: {error}{hint}")
    except (EndError, AwayError) as error:
        end = error if isinstance(error, EndError) else EndError("FAILED", str(error))
        return _end(end.code, str(end))
    except PermissionError as error:
        hint = "" if os.geteuid() == 0 else "; run it as root on the registry's host"
        return _end(1, f"{command.name}: {error}{hint}")
    except BrokenPipeError:
        # Nobody reads on. What is to be flushed at the end would fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130
    return code


def run() -> None:
    """Ends the process as the command does; where the program is one file, this is its beginning."""
    sys.exit(main(load(sys.argv[1:], Path(sys.argv[0]).name)))


def _explain(words: Sequence[str], name: str) -> int:
    if words and words[0] == "--version":
        print(f"{name} {VERSION}")
        return 0
    if words and words[0] not in {"-h", "--help"}:
        raise UsageError(f"there is no command {words[0]}")
    print(USAGE, end="", file=sys.stdout if words else sys.stderr)
    return 0 if words else WRONG_USE


def _end(code: int, text: str) -> int:
    sys.stdout.flush()
    print(printable(text), file=sys.stderr)
    return code
