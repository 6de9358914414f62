"""What was measured as tables, and what is promised of it."""

from __future__ import annotations

from bench.contenders.serving.samples import Samples
from bench.contenders.serving.servers import ALONE, HOW_TO, OPEN, PROGRAM, STATIC
from bench.measure import Ratio, Table
from bench.promises import ratio

SLOW_NAME = "this program, bcrypt of cost 10"

_SETTING = (
    "All in one run on one host with two cores, which the load shares; every contender has the same registry, images "
    "and certificate, and only one has a load at a time. Three rounds, medians, and the spread in brackets. The how-"
    "to has apr1 passwords as it says; Caddy has bcrypt of the cost that its own tool picks, and caches what it "
    "found; the registry has bcrypt as htpasswd makes it, and this program its default. Traefik has apr1 as its "
    "documentation shows; it is 3.7.13, built here without ACME's DNS providers, and with the original of the basic "
    "authentication (abbot/go-http-auth 0.4.0 and two calls more) in place of its fork, which, like some of these "
    "providers' SDKs, the Go module proxy lacks."
)
_LARGE = (
    "One blob of 512 MiB, over HTTP/1.1 and TLS, by wrk for three seconds. More is better; but of CPU seconds less "
    "is: those of all containers of a contender, proxy and registry, and of the kernel where it works for them. "
    '"nginx, files alone" has this program\'s TLS settings and no accounts: as fast as nginx gets here.'
)
_SMALL = (
    "300 blobs of 1 to 4 KB in random order, and one manifest by tag and by digest, over 16 connections that stay "
    "open. More is better."
)
_PASSWORD = (
    "The same small blobs. Without authentication is a second proxy of the same image, mounts and files, in whose "
    "site only the question whose password it is was taken out (auth_request): it asks nobody, checks the rights of "
    "an account all the same, and gets no password. More is better."
)
_PUSH = (
    "256 MiB, each as one request into a repository of its own, by curl over HTTP/1.1, which offers ciphers in the "
    "order of Docker's clients, from clients that have the same two cores; the registry flushes each to the disk. "
    "More is better. What is promised is of four clients, and held against the registry alone as a user would run it, "
    "with TLS and htpasswd of its own; without either it is only for comparison."
)
_PULL = (
    "An image of 20 layers of 4 MB, pulled by eight skopeo at the same time from one client, each of which fetches "
    "several layers at once, as docker does, and verifies them. Less is better."
)
_MEMORY = (
    "Memory of proxy and registry together, without cached files: two seconds after both were started anew, and the "
    "most while the large blob, small ones and four pushes were under way, looked at twice a second. Once. Less is "
    "better."
)


def all_tables(samples: Samples) -> tuple[Table, ...]:
    """Six of them."""
    return (
        Table(
            "Large blob",
            ("1 client, MB/s", "4 clients, MB/s", "16 clients, MB/s", "4 clients, CPU s/GB"),
            samples.rows("large", ("1", "4", "16", "cpu")),
            f"{_LARGE}\n\n{_SETTING}",
        ),
        Table(
            "Small answers",
            ("blobs, requests/s", "manifest by tag, requests/s", "manifest by digest, requests/s"),
            samples.rows("small", ("small", "tag", "digest")),
            _SMALL,
        ),
        Table("Passwords", ("blobs, requests/s",), samples.rows("password", ("small",)), _PASSWORD),
        Table("Pushes", ("1 client, MB/s", "4 clients, MB/s"), samples.rows("push", ("1", "4")), _PUSH),
        Table("Pulls of an image", ("8 clients, s",), samples.rows("pull", ("pull",)), _PULL),
        Table("Memory", ("at rest, MB", "at most, MB"), samples.rows("memory", ("rest", "peak")), _MEMORY),
    )


def ratios(samples: Samples) -> tuple[Ratio, ...]:
    """What is promised, each of medians."""

    def against(quantity: str, column: str, other: str, name: str = PROGRAM.name) -> float:
        return samples.median(quantity, name, column) / samples.median(quantity, other, column)

    return (
        ratio("large_blob_vs_howto", against("large", "4", HOW_TO.name)),
        ratio("large_blob_vs_static", against("large", "4", STATIC.name)),
        ratio("small_blob_vs_howto", against("small", "small", HOW_TO.name)),
        ratio("cpu_per_gb_vs_howto", against("large", "cpu", HOW_TO.name)),
        ratio("bcrypt_vs_open", against("password", "small", OPEN.name, SLOW_NAME)),
        ratio("push_vs_direct", against("push", "4", ALONE.name)),
    )
