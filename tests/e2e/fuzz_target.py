"""What a fuzz aims at: a repository with a secret, and how to see whether anything there has changed."""

from __future__ import annotations

from dataclasses import dataclass

from tests.e2e.role_users import OTHER, OWN, REPOSITORIES_ON_HOST, Api
from tests.e2e.support import USER, Deployed, runs

MARKER = "what-nobody-else-may-see"


@dataclass(frozen=True)
class Target:
    """The state of the host as far as no request of the fuzz may change it."""

    files: str
    repositories: str
    containers: dict[str, tuple[str, str]]
    workers: str

    @classmethod
    def of(cls, registry: Deployed) -> Target:
        """It now."""
        host = registry.host
        return cls(
            host.run(f"find {REPOSITORIES_ON_HOST}/{OTHER} | sort").stdout,
            host.run(f"cd {REPOSITORIES_ON_HOST} && find . -maxdepth 2 | sort").stdout,
            runs(host),
            host.run("docker top nginx -o pid,cmd | grep -c 'worker process'").stdout,
        )


def prepare(registry: Deployed) -> str:
    """A blob and a manifest that say MARKER, and a tag; the blob's digest."""
    alice = Api(registry, USER)
    for repository in (OWN, OTHER):
        alice.push_blob(repository, b"{}")
        alice.push_blob(repository, b"")
        alice.push_manifest(repository, "x", own="harmless")
    digest = alice.push_blob(OTHER, MARKER.encode())
    alice.push_manifest(OTHER, f"secret-{MARKER}", secret=MARKER)
    alice.push_manifest(OTHER, "secret", secret=MARKER)
    return digest
