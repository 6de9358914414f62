"""What is promised of the measurements: each ratio of two quantities of the same run, and how large it may be."""

from __future__ import annotations

from dataclasses import dataclass

from bench.curve import ADDED_AT_MOST, AT_MOST
from bench.measure import Ratio

HOLD_AT_MOST = 1.5
"""Writes wait for what goes and for what was written meanwhile, not for what stays; the rest is noise."""


@dataclass(frozen=True)
class Promise:
    """A ratio in words, which go on after "is": `at_least` or `at_most` so many times."""

    what: str
    at_least: float | None = None
    at_most: float | None = None


PROMISES = {
    "large_blob_vs_howto": Promise("MB/s of large layers, four clients, to those of the how-to's proxy", 1.8),
    "large_blob_vs_static": Promise("the same to those of nginx with a static file", 0.9),
    "small_blob_vs_howto": Promise("small layers a second, to those of the how-to's proxy", 15),
    "cpu_per_gb_vs_howto": Promise("CPU for each GB pulled, to the how-to's", at_most=0.6),
    "bcrypt_vs_open": Promise("requests a second with bcrypt passwords (cost 10), to those without any", 0.9),
    "push_vs_direct": Promise("MB/s of pushes, to those of the registry alone", 0.95),
    "large_blob_vs_earlier": Promise("MB/s of large layers, to those of commit 27e0b9f", 0.95),
    "small_blob_vs_earlier": Promise("small layers a second, to those of commit 27e0b9f", 0.95),
    "tag_vs_earlier": Promise("manifests by tag a second, to those of commit 27e0b9f", 0.95),
    "digest_vs_earlier": Promise("manifests by digest a second, to those of commit 27e0b9f", 0.95),
    "login_vs_earlier": Promise("logins a second, to those of commit 27e0b9f", 0.95),
    "push_vs_earlier": Promise("MB/s of pushes, to those of commit 27e0b9f", 0.95),
    "push_cpu_vs_earlier": Promise("CPU for each GB pushed, to that of commit 27e0b9f", at_most=1),
    "first_up_vs_earlier": Promise("the first `up`, to that of commit 27e0b9f", at_most=0.8),
    "small_blob_with_metrics": Promise("small layers a second with metrics, to those without", 0.97),
    "cpu_per_gb_with_metrics": Promise("CPU for each GB pulled with metrics, to that without", at_most=1.03),
    "mirrored_large_blob": Promise("MB/s of large layers from a mirror, to those of own images", 0.95),
    "mirrored_small_blob": Promise("small layers a second from a mirror, to those of own images", 0.95),
    "mirrored_pull": Promise("pulls of an image by eight clients from a mirror, to those of an own one", 0.95),
    "first_pull": Promise("the first pull of an image from a mirror, to one from the other registry itself", 0.8),
    "first_pull_far": Promise("the same where that gives each connection 20 MB/s, as one across the internet", 0.8),
    "store_warm_large_blob": Promise("MB/s of large layers from an object store, to those from a disk", 0.9),
    "store_warm_small_blob": Promise("small layers a second from an object store, to those from a disk", 0.9),
    "store_warm_pull": Promise("pulls of an image by eight clients from an object store, to those from a disk", 0.9),
    "store_cold_pull": Promise("the first pull of an image from an object store, to that by Distribution alone", 0.8),
    "store_push": Promise("MB/s of pushes into an object store, to those by Distribution alone", 0.9),
    "store_push_image": Promise("pushes of an image into an object store, to those by Distribution alone", 0.9),
    "store_warm_requests": Promise("requests to the store for an image of 20 layers that is pulled again", at_most=3),
    "store_gc_growth": Promise("clean-up of a bucket at 10,000 tags, to ten thirds of that at 3,000", at_most=AT_MOST),
    "store_gc_requests_growth": Promise("its requests to the store, the same", at_most=AT_MOST),
    "store_tags_growth": Promise("list of 10,000 tags in a bucket, to ten thirds of that of 3,000", at_most=AT_MOST),
    "store_tags_requests_growth": Promise("its requests to the store, the same", at_most=AT_MOST),
    "up_vs_shell": Promise("the first `up`, to a shell script with the same commands", at_most=1.3),
    "ansible_vs_up": Promise("an Ansible playbook's first run, to the first `up`", 3),
    "ansible_vs_noop": Promise("the playbook without changes, to an `up` without", 5),
    "pyinfra_vs_noop": Promise("a pyinfra deploy without changes, to an `up` without", 1),
    "noop_vs_empty": Promise("an `up` without changes, to that of an empty program", at_most=3),
    "gc_growth": Promise("clean-up at 10,000 tags, to ten times that at 1,000", at_most=AT_MOST),
    "gc_growth_added": Promise("the same without a run's fixed cost", at_most=ADDED_AT_MOST),
    "retention_growth": Promise("retention at 10,000 tags, to ten times that at 1,000", at_most=AT_MOST),
    "retention_growth_added": Promise("the same without a run's fixed cost", at_most=ADDED_AT_MOST),
    "collection_growth": Promise("clean-up of 1,000,000 blobs, to ten thirds of that of 300,000", at_most=AT_MOST),
    "collection_memory": Promise("its memory, to 512 MiB", at_most=1),
    "collection_hold_growth": Promise("how long writes wait for it, to that at 300,000 blobs", at_most=HOLD_AT_MOST),
    "deletion_growth": Promise("deletion by pattern at 10,000 tags, to ten times that at 1,000", at_most=AT_MOST),
    "deletion_growth_added": Promise("the same without a run's fixed cost", at_most=ADDED_AT_MOST),
}
"""By the names in `summary.json`."""


def ratio(name: str, value: float) -> Ratio:
    """A measured ratio, with what is promised of it."""
    promise = PROMISES[name]
    return Ratio(name, value, promise.at_least, promise.at_most)
