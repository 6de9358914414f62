"""The drill: a backup is restored into a directory of its own, verified, and removed again."""

from __future__ import annotations

import json
import shutil

from registryctl import backup_state, backups, restoring
from registryctl.clean_up import megabytes
from registryctl.endings import EndError, count, printable
from registryctl.host import Host, now
from registryctl.locks import alone
from registryctl.restic import Restic
from registryctl.restoring import Restored
from registryctl.staging import Stage, make_directory

PLACE = "docker-registry/drill"
"""Below the storage root."""


def drill(host: Host, restic: Restic, when: str | None, *, as_json: bool) -> int:
    """Tries a backup; the exit code."""
    root = host.facts.root / PLACE
    make_directory(root.parent)
    # Each removes what a dead one left.
    with alone(root.parent, "another drill is at work"):
        if root.exists():
            shutil.rmtree(root)
        make_directory(root)
        try:
            stage = Stage(restic, backups.chosen(backups.backups(restic), when), root)
            with restoring.nobody_writes(root):
                restored = restoring.restore(stage, restoring.nobody_is_there)
        finally:
            shutil.rmtree(root, ignore_errors=True)
    return told(stage.backup.run, restored, "drill", as_json=as_json)


def told(run: str, restored: Restored, what: str, *, as_json: bool) -> int:
    """Says what came of it; the exit code. Raises `EndError` where not all is whole."""
    placed = restored.placed
    facts = {
        "run": run,
        "time": now(),
        "seconds": round(restored.seconds, 1),
        "repositories": placed.repositories,
        "tags": placed.tags,
        "manifests": placed.manifests,
        "blobs": placed.blobs,
        "bytes": restored.fetched,
        "broken": len(placed.broken),
        "lost": restored.lost,
    }
    if as_json:
        print(json.dumps({**facts, "brokenTags": placed.broken, "kept": placed.kept, "stays": placed.stays}, indent=2))
    else:
        _tell(restored)
        things = (count(placed.repositories, "repository", "repositories"), count(placed.tags, "tag"))
        content = f"{count(placed.blobs, 'blob')}, {megabytes(restored.fetched)} fetched"
        print(f"{run}: {things[0]}, {things[1]}, {content}, {restored.seconds:.1f} s; each tag's content was read")
    # Of what did not come, restic alone knows: a tag that is not there is not broken either.
    if placed.broken or restored.lost or restored.damage:
        why = f": {restored.damage}" if restored.damage else ""
        why += "; restore --merge tries once more what did not come" if what == "restore" else ""
        text = f"{count(len(placed.broken), 'tag')} and {count(restored.lost, 'blob')} of {run} are not whole{why}"
        raise EndError("DAMAGED", text)
    if what == "drill":
        failed = (backup_state.read().get("failed") or {}).get("what") == "drill"
        backup_state.note(drill=facts, **({"failed": None} if failed else {}))
    return 0


def _tell(restored: Restored) -> None:
    placed = restored.placed
    for tag, why in placed.broken.items():
        print(printable(f"broken {tag}: {why}"))
    for tag in placed.kept:
        print(printable(f"keep   {tag} (it leads elsewhere here; what it was is there by its digest)"))
    for path in placed.files:
        print(printable(f"back   {path}"))
    for path in placed.stays:
        print(printable(f"stays  {path} (there is one already)"))
    if placed.mended:
        print(f"{count(placed.mended, 'link')} mended: deleted while the backup was made")
