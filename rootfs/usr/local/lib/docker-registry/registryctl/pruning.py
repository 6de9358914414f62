"""Removes backups that the settings don't keep. A run goes as a whole, or stays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from registryctl import backups
from registryctl.backups import BLOBS, MARK, Backup
from registryctl.endings import EndError, count
from registryctl.restic import Restic

_FEW = 2
"""So many may always go."""


@dataclass
class Choice:
    """What goes."""

    old: list[Backup] = field(default_factory=list)
    """By the settings."""
    halves: list[Backup] = field(default_factory=list)
    """Runs that were cut off, before the newest whole one."""
    whole: int = 0
    """How many whole ones there are now."""

    @property
    def snapshots(self) -> list[str]:
        """Of all that goes; a run's last part first, so that one that is cut off counts no more."""
        return [snapshot for one in (*self.halves, *self.old) for snapshot in reversed(one.snapshots)]


def choose(restic: Restic, now: float, *, force: bool = False) -> Choice:
    """What goes by restic's own rules. Raises `EndError` where a clock was wrong: the rules count from the newest."""
    found = backups.backups(restic)
    whole = [one for one in found if one.whole]
    if whole and not force and backups.is_of_the_future(whole[-1], now):
        text = f"the backup {whole[-1].run} is of the future: a clock was wrong, or is. Nothing is removed"
        raise EndError("UNREADABLE", f"{text}; --force goes by the settings all the same")
    last = whole[-1].run if whole else ""
    choice = Choice(halves=[one for one in found if not one.whole and one.run < last], whole=len(whole))
    if restic.repository.keep:
        gone = _forgotten(restic)
        _give_back(found, gone)
        choice.old = [one for one in whole[:-1] if one.parts[BLOBS] in gone]
    return choice


def _give_back(found: Sequence[Backup], gone: set[str]) -> None:
    """A run that was cut off takes the place of a whole one in restic's rules: the one before it stays instead."""
    for half in reversed(found):
        if half.whole or BLOBS not in half.parts or half.parts[BLOBS] in gone:
            continue
        before = [one.parts[BLOBS] for one in found if one.whole and one.run < half.run and one.parts[BLOBS] in gone]
        gone -= set(before[-1:])


def _forgotten(restic: Restic) -> set[str]:
    """The snapshots of content that restic would forget: one for each run, all others follow it."""
    words = ["--tag", f"{MARK},part={BLOBS}", "--host", restic.repository.stack, "--group-by", "host"]
    groups = restic.json("forget", "--dry-run", *words, *restic.repository.keep) or ()
    return {str(one["id"]) for group in groups for one in group.get("remove") or ()}


def check(choice: Choice, share: int) -> None:
    """Raises `EndError` where more would go than one run should remove: a clock may be wrong, or a setting."""
    going = len(choice.old)
    if going > _FEW and going * 100 > choice.whole * share:
        text = f"{going} of {count(choice.whole, 'backup')} would go, more than gc.maxShare ({share} %)"
        raise EndError("TOO_MUCH", f"{text}; --force removes them all the same")


def carry_out(restic: Restic, snapshots: Sequence[str]) -> None:
    """Forgets snapshots, and frees the space. Cut off, the next one completes it."""
    for first in range(0, len(snapshots), 100):
        done = restic.run("forget", *snapshots[first : first + 100])
        # It ends well also where the server lets nothing be removed.
        left = {str(one["id"]) for one in restic.json("snapshots") or ()} & set(snapshots[first : first + 100])
        if left:
            raise restic.meaning(done)
    restic.run("prune")
