"""Makes the record of a plan: all that goes, and all that it needs."""

from __future__ import annotations

from registryctl.layout import Revision, TagLink, blob_path
from registryctl.plan import Plan, RepositoryPlan
from registryctl.storage import Storage, StorageError
from registryctl.trash import Contents, Part


def record_of(storage: Storage, plan: Plan, run: str, reason: str) -> Contents:
    """Under the barrier: what it says is so when it is written."""
    record = Contents(run, reason)
    for name, its in plan.repositories.items():
        if its.recorded:
            record.parts[name] = _part(storage, its)
    damaged = {digest for its in plan.repositories.values() for digest in its.damaged}
    for digest in record.blobs() - damaged:
        size = plan.aside.get(digest)
        if size is None:
            size = _size(storage, digest)
        if size is not None:
            record.sizes[digest] = size
    return record


def _size(storage: Storage, digest: str) -> int | None:
    try:
        return storage.size(blob_path(digest))
    except StorageError:
        return None


def _part(storage: Storage, its: RepositoryPlan) -> Part:
    part = Part(
        revisions={**its.kept_revisions, **its.revisions},
        signatures=its.signatures,
        layers={**its.kept_layers, **its.layers},
        named=sorted(its.named),
    )
    for tag, digest in its.tags.items():
        # One that could not be read has nothing that could come back.
        if digest:
            part.tags[tag] = (digest, storage.time(TagLink(its.name, tag).path))
    for digest in its.revisions:
        part.times[digest] = storage.time(Revision(its.name, digest).path)
    return part
