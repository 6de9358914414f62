"""`python -m review`: what the workflows run, and what you can run by hand."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from review.cli import Stack, policy_options
from review.drift import look, tell
from review.drill import drill as try_backup
from review.report import Preview, report
from review.stacks import stacks, touched_since

FOLDER = Path(__file__).resolve().parents[1]


def preview(options: argparse.Namespace) -> int:
    """Preview each stack that the commits since `--base` touch, or those that are named; no host is reached."""
    names = options.stack or touched_since(FOLDER, options.base)
    found: list[Preview] = []
    for name in names:
        print(f"--- {name}", flush=True)
        done = Stack(FOLDER, name).run("preview", "--diff", "--suppress-progress", *policy_options(FOLDER))
        found.append(Preview(name, done.code == 0, done.output))
    text = report(found)
    if options.report:
        Path(options.report).write_text(text, encoding="utf-8")
    for one in found:
        print(f"{one.stack}: {one.verdict}")
    if not found:
        print("no stack is touched")
    return 0 if all(one.succeeded for one in found) else 1


def deploy(options: argparse.Namespace) -> int:
    """Bring each stack up to date, one after the other; the first that fails ends it."""
    for name in options.stack or stacks(FOLDER):
        print(f"--- {name}", flush=True)
        done = Stack(FOLDER, name).run("up", "--yes", "--diff", "--suppress-progress", *policy_options(FOLDER))
        if done.code != 0:
            print(f"{name}: failed; the stacks after it were not touched", file=sys.stderr)
            return done.code
    return 0


def drift(options: argparse.Namespace) -> int:
    """Say what on each stack's host is not as declared; exit code 1 when something is, and stays so."""
    drifted = False
    for name in options.stack or stacks(FOLDER):
        print(f"--- {name}", flush=True)
        stack = Stack(FOLDER, name)
        found = look(stack, repair=options.repair)
        tell(stack, found, repair=options.repair)
        drifted = drifted or bool(found)
    return 1 if drifted and not options.repair else 0


def drill(options: argparse.Namespace) -> int:
    """Restore the newest backup of each stack into a directory of its own on its host, and verify it."""
    good = True
    for name in options.stack or stacks(FOLDER):
        print(f"--- {name}", flush=True)
        good = try_backup(Stack(FOLDER, name)) and good
    return 0 if good else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m review", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for act in (preview, deploy, drift, drill):
        command = commands.add_parser(act.__name__, help=(act.__doc__ or "").partition(";")[0])
        command.add_argument("stack", nargs="*", help="a stack; without any, see above")
        command.set_defaults(act=act)
        if act is drift:
            command.add_argument("--repair", action="store_true", help="let the next pulumi up mend what was found")
        if act is preview:
            command.add_argument("--base", default="origin/main", help="the revision to compare with: %(default)s")
            command.add_argument("--report", help="a file that takes the previews as Markdown")
    return parser


def main(words: Sequence[str] | None = None) -> int:
    """Run a command; the exit code is 0 when all is well."""
    options = _parser().parse_args(words)
    try:
        code: int = options.act(options)
    except (RuntimeError, ValueError) as problem:
        print(problem, file=sys.stderr)
        return 2
    return code


if __name__ == "__main__":
    sys.exit(main())
