"""What `registryctl notify` on the host reads, and what the registry itself does of its webhooks."""

import json
from collections.abc import Sequence

from config.notifications import Endpoint
from config.secrets import NotifySecrets
from config.status import Notify
from rendering.rootfs import HostFile

_HOME = "/etc/docker-registry"
SETTINGS = f"{_HOME}/notify.json"
SECRETS = f"{_HOME}/notify-secrets.json"


def settings_file(notify: Notify) -> HostFile:
    """The settings without their secrets."""
    # The secrets may still be there when there is no webhook any more.
    webhook = notify.webhook is not None
    return _file(SETTINGS, {"webhook": webhook, "command": notify.command, "timeoutSeconds": notify.timeout_seconds})


def secrets_file(secrets: NotifySecrets) -> HostFile:
    """The address of the webhook, and its headers."""
    return _file(SECRETS, {"webhook": secrets.webhook, "headers": secrets.headers})


def endpoints_with(endpoints: Sequence[Endpoint], headers: Sequence[dict[str, str]]) -> str:
    """The endpoints as the registry's configuration has them, and their secret headers, as JSON."""
    told = [
        {
            "name": one.name,
            "url": one.url,
            "headers": {name: [value] for name, value in its.items()},
            "timeout": one.timeout,
            "threshold": one.threshold,
            "backoff": one.backoff,
            "ignore": {"mediatypes": list(one.ignore_media_types), "actions": list(one.ignore_actions)},
        }
        for one, its in zip(endpoints, headers, strict=True)
    ]
    return json.dumps(told)


def _file(path: str, content: object) -> HostFile:
    return HostFile(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
