"""docker, podman and skopeo of a client's host, one after the other, at work as people use them."""

import time

from tests.e2e.clean_up import Worker
from tests.e2e.content import Api
from tests.e2e.support import Deployed
from tests.lab.clients import Client

_LAYER = "head -c 20000 /dev/urandom >own && tar -cf layer.tar own"
_SCRIPTS = {
    "docker": (
        "docker import layer.tar {name} && docker push -q {name} && docker rmi {name} && "
        "docker pull -q {name} && docker rmi {name}"
    ),
    "podman": (
        "podman import -q layer.tar {name} && podman push -q {name} && podman rmi {name} && "
        "podman pull -q {name} && podman rmi {name}"
    ),
    "skopeo": (
        "docker import layer.tar {name} && docker save -o image.tar {name} && docker rmi {name} && "
        "skopeo --insecure-policy copy -q docker-archive:image.tar docker://{name} && rm -rf pulled && "
        "skopeo --insecure-policy copy -q docker://{name} dir:pulled"
    ),
}
"""Each pushes an image of its own and pulls it again."""

SECONDS = 120
"""For one round; a client gives up by itself long after a clean-up."""


class ClientPusher(Worker):
    """Pushes with each of them in turn; `pushed` are the tags that must be there, `longest` the longest round."""

    def __init__(self, registry: Deployed, client: Client, repository: str) -> None:
        super().__init__(registry)
        self.repository = repository
        self.pushed: dict[str, str] = {}
        """Tag → by what."""
        self.longest = 0.0
        self._client = client
        self._count = 0

    def act(self) -> None:
        """See `Worker`."""
        tool = list(_SCRIPTS)[self._count % len(_SCRIPTS)]
        self._count += 1
        tag = f"{tool}-{self._count}"
        name = f"{self._client.registry}/{self.repository}:{tag}"
        script = f"mkdir -p /root/at-work && cd /root/at-work && {_LAYER} && {_SCRIPTS[tool].format(name=name)}"
        began = time.monotonic()
        done = self._client.host.run(script, check=False, timeout=SECONDS)
        assert done.returncode == 0, f"{tool}: {done.stdout}{done.stderr}"
        self.longest = max(self.longest, time.monotonic() - began)
        self.pushed[tag] = tool

    def check(self) -> int:
        """Pulls all that was pushed; how many."""
        api = Api(self.api.registry)
        for tag in self.pushed:
            assert len(api.pull(self.repository, tag)) > 1, tag
        api.close()
        return len(self.pushed)
