"""What is pulled and pushed: one large blob, many small ones, an image of twenty layers."""

from __future__ import annotations

from dataclasses import dataclass

from bench.contenders.serving.load import PUSHED, File, Load, make_file
from bench.contenders.serving.place import Place
from bench.contenders.serving.servers import DATA, PROGRAM
from tests.lab.log import step

LARGE_BYTES = 512 * 1024 * 1024
PUSH_BYTES = 256 * 1024 * 1024
SMALL_BLOBS, SMALLEST, SMALL_STEP = 300, 1000, 10
LAYERS, LAYER_BYTES = 20, 4_000_000
SMALL_IMAGE, IMAGE = "bench/small", "bench/image"
STORAGE = f"{DATA}/docker/registry/v2"


@dataclass(frozen=True)
class Content:
    """What the registry has, and what is pushed to it."""

    large: File
    pushed: File

    @property
    def file(self) -> str:
        """Where the large blob lies, below the registry's data."""
        algorithm, hashed = self.large.digest.split(":")
        return f"/docker/registry/v2/blobs/{algorithm}/{hashed[:2]}/{hashed}/data"


def fill(spot: Place, load: Load) -> Content:
    """Push it all through this program, and make the lists of what is asked for."""
    with step("bench: the images"):
        large = make_file(spot.client, "large", LARGE_BYTES)
        load.push(PROGRAM, large, 1, "bench/large")
        spot.client.run(["rm", large.path])
        load.image(PROGRAM, f"{SMALL_IMAGE}:1", SMALL_BLOBS, SMALLEST, SMALL_STEP)
        load.image(PROGRAM, f"{IMAGE}:1", LAYERS, LAYER_BYTES, 0)
        content = Content(large, make_file(spot.client, "pushed", PUSH_BYTES))
    digests = load.blobs(PROGRAM, SMALL_IMAGE)
    load.list_paths("large", [f"/v2/bench/large-1/blobs/{large.digest}"])
    load.list_paths("file", [content.file])
    load.list_paths("small", [f"/v2/{SMALL_IMAGE}/blobs/{digest}" for digest in digests])
    load.list_paths("tag", [f"/v2/{IMAGE}/manifests/1"])
    load.list_paths("digest", [f"/v2/{IMAGE}/manifests/{_digest(spot)}"])
    return content


def forget_pushed(spot: Place, content: Content) -> None:
    """Take away what was pushed, so that the next push of it is a new one and the disk has nothing to write."""
    algorithm, hashed = content.pushed.digest.split(":")
    blob = f"{STORAGE}/blobs/{algorithm}/{hashed[:2]}/{hashed}"
    spot.host.run(f"rm -rf {blob} {STORAGE}/repositories/{PUSHED}-*")


def _digest(spot: Place) -> str:
    """The digest of the image's manifest, off the disk."""
    link = f"{STORAGE}/repositories/{IMAGE}/_manifests/tags/1/current/link"
    return spot.host.get_file(link).strip()
