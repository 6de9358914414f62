"""The barrier before a bucket to which this host alone writes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager

from registryctl.barrier import HostBarrier
from registryctl.bucket import Bucket
from registryctl.journals import BarrierError, Journal
from registryctl.storage import StorageError

HOSTS = "docker-registry/hosts/"
"""Below it each host that writes to a bucket has an object."""


class LoneBarrier:
    """This host's own, as long as the bucket knows of no other host: nobody could keep that one out."""

    def __init__(self, local: HostBarrier, bucket: Bucket) -> None:
        self._local = local
        self._bucket = bucket

    def turn(self) -> AbstractContextManager[None]:
        """See `journals.Barrier`."""
        return self._local.turn()

    @contextmanager
    def closed(self) -> Iterator[None]:
        """See `journals.Barrier`."""
        self._look()
        with self._local.closed():
            self._look()
            yield

    def journals(self) -> list[Journal]:
        """See `journals.Barrier`."""
        return self._local.journals()

    def forget(self, generations: Iterable[str]) -> None:
        """See `journals.Barrier`."""
        self._local.forget(generations)

    def _look(self) -> None:
        try:
            others = [found.key for found in self._bucket.list(HOSTS)]
        except StorageError as error:
            raise BarrierError(f"it can't be known which hosts write to the bucket: {error}") from error
        if others:
            raise BarrierError(f"the bucket has {others[0]}: another host writes there, and can't be kept out")
