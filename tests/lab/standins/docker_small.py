"""Networks, volumes and images."""

import base64
import json
import time

from tests.lab.standins.docker_resource import Daemon, RefusedError, keep_null, label_list, label_map
from tests.lab.standins.docker_schema import NETWORK, REMOTE_IMAGE, VOLUME
from tests.lab.standins.engine_api import ApiError
from tests.lab.standins.values import Json, Props

NOT_FOUND = 404
REMOVAL_TIMEOUT = 30.0  # seconds that a resource still in use is waited for
REMOVAL_DELAY = 0.5


class Network:
    """docker:index/network:Network. A name that exists already is an error."""

    fields = NETWORK
    named = True

    def create(self, daemon: Daemon, inputs: Props) -> tuple[str, Props]:
        body: Props = {
            "Name": inputs["name"],
            "CheckDuplicate": True,
            "Labels": label_map(inputs.get("labels")),
            "Internal": inputs.get("internal", False),
            "Attachable": inputs.get("attachable", False),
            "Ingress": inputs.get("ingress", False),
            "EnableIPv6": inputs.get("ipv6", False),
            "Options": inputs.get("options") or {},
            "IPAM": {
                "Driver": inputs.get("ipamDriver", "default"),
                "Options": inputs.get("ipamOptions"),
                "Config": [_ipam(config) for config in inputs.get("ipamConfigs", [])],
            },
        }
        if inputs.get("driver"):
            body["Driver"] = inputs["driver"]
        try:
            identity = daemon.api.post("/networks/create", body)["Id"]
        except ApiError as error:
            raise RefusedError(f"Unable to create network: {error}") from None
        found = self.read(daemon, identity, {})
        if found is None:
            raise RefusedError("Unable to create network: it is gone")
        state = found[1]
        state["ipamOptions"] = keep_null(inputs.get("ipamOptions"), state["ipamOptions"])
        asked = {config.get("subnet"): config.get("auxAddress") for config in inputs.get("ipamConfigs", [])}
        for config in state["ipamConfigs"]:
            config["auxAddress"] = keep_null(asked.get(config["subnet"]), config["auxAddress"])
        return identity, state

    def read(self, daemon: Daemon, identity: str, state: Props) -> tuple[str, Props] | None:
        try:
            found = daemon.api.get(f"/networks/{identity}")
        except ApiError as error:
            if error.status == NOT_FOUND:
                return None
            raise RefusedError(str(error)) from None
        configs = [
            {
                "auxAddress": config.get("AuxiliaryAddresses") or {},
                "gateway": config.get("Gateway", ""),
                "ipRange": config.get("IPRange", ""),
                "subnet": config.get("Subnet", ""),
            }
            for config in found["IPAM"].get("Config") or []
        ]
        return found["Id"], {
            "attachable": found["Attachable"],
            "driver": found["Driver"],
            "ingress": found["Ingress"],
            "internal": found["Internal"],
            "ipamConfigs": configs,
            "ipamDriver": found["IPAM"]["Driver"],
            "ipamOptions": found["IPAM"].get("Options") or {},
            "ipv6": found["EnableIPv6"],
            "labels": label_list(found.get("Labels")),
            "name": found["Name"],
            "options": found.get("Options") or {},
            "scope": found["Scope"],
        }

    def update(self, daemon: Daemon, identity: str, state: Props, planned: Props) -> Props:
        return planned

    def delete(self, daemon: Daemon, identity: str, state: Props) -> None:
        _remove_when_free(daemon, f"/networks/{identity}", "has active endpoints")


class Volume:
    """docker:index/volume:Volume. A name that exists already is adopted without a word."""

    fields = VOLUME
    named = True

    def create(self, daemon: Daemon, inputs: Props) -> tuple[str, Props]:
        body = {
            "Name": inputs["name"],
            "Driver": inputs.get("driver", "local"),
            "DriverOpts": inputs.get("driverOpts") or {},
            "Labels": label_map(inputs.get("labels")),
        }
        try:
            identity = daemon.api.post("/volumes/create", body)["Name"]
        except ApiError as error:
            raise RefusedError(f"Unable to create volume: {error}") from None
        found = self.read(daemon, identity, {})
        if found is None:
            raise RefusedError("Unable to inspect volume: it is gone")
        found[1]["driverOpts"] = keep_null(inputs.get("driverOpts"), found[1]["driverOpts"])
        return found

    def read(self, daemon: Daemon, identity: str, state: Props) -> tuple[str, Props] | None:
        try:
            found = daemon.api.get(f"/volumes/{identity}")
        except ApiError as error:
            if error.status == NOT_FOUND:
                return None
            raise RefusedError(f"Unable to inspect volume: {error}") from None
        return found["Name"], {
            "cluster": None,
            "driver": found["Driver"],
            "driverOpts": found.get("Options") or {},
            "labels": label_list(found.get("Labels")),
            "mountpoint": found["Mountpoint"],
            "name": found["Name"],
        }

    def update(self, daemon: Daemon, identity: str, state: Props, planned: Props) -> Props:
        return planned

    def delete(self, daemon: Daemon, identity: str, state: Props) -> None:
        _remove_when_free(daemon, f"/volumes/{identity}?force=true", "volume is in use")


class RemoteImage:
    """docker:index/remoteImage:RemoteImage. Pulls only what is absent; a moved tag is not noticed."""

    fields = REMOTE_IMAGE
    named = False

    def create(self, daemon: Daemon, inputs: Props) -> tuple[str, Props]:
        name = inputs["name"]
        try:
            find_image(daemon, name, inputs.get("platform"))
        except ApiError as error:
            raise RefusedError(f"Unable to read Docker image into resource: {error}") from None
        state = {key: inputs.get(key) for key in REMOTE_IMAGE}
        found = self.read(daemon, "", state)
        if found is None:
            raise RefusedError(f"Unable to read Docker image into resource: unable to find or pull image {name}")
        return found

    def read(self, daemon: Daemon, identity: str, state: Props) -> tuple[str, Props] | None:
        name = state["name"]
        try:
            image = _inspect_image(daemon, name)
        except ApiError as error:
            raise RefusedError(f"Error reading docker image list: {error}") from None
        if image is None:
            return None
        new = {"build": None, **{key: state.get(key) for key in REMOTE_IMAGE}}
        new |= {"imageId": image["Id"], "repoDigest": repo_digest(name, image.get("RepoDigests") or [])}
        return image["Id"] + name, new

    def update(self, daemon: Daemon, identity: str, state: Props, planned: Props) -> Props:
        found = self.read(daemon, identity, planned)
        return planned if found is None else found[1]

    def delete(self, daemon: Daemon, identity: str, state: Props) -> None:
        if state.get("keepLocally"):
            return
        try:
            if _inspect_image(daemon, state["name"]) is not None:
                daemon.api.delete(f"/images/{state['name']}", force=bool(state.get("forceRemove")))
        except ApiError as error:
            raise RefusedError(f"Unable to remove Docker image: {error}") from None


def find_image(daemon: Daemon, name: str, platform: str | None = None) -> Json:
    """The image of this name, pulled when it is absent; raises ApiError."""
    found = _inspect_image(daemon, name)
    if found is not None:
        return found
    try:
        _pull(daemon, name, platform)
    except ApiError as error:
        raise ApiError(0, f"unable to pull image {name}: error pulling image {name}: {error}") from None
    found = _inspect_image(daemon, name)
    if found is None:
        raise ApiError(0, f"unable to find or pull image {name}")
    return found


def _pull(daemon: Daemon, name: str, platform: str | None) -> None:
    """Pull; what goes wrong after the daemon's first answer shows only in that the image is missing."""
    login = daemon.logins.get(registry_of(name), {})
    header = base64.urlsafe_b64encode(json.dumps(login).encode()).decode()
    daemon.api.request(
        "POST",
        "/images/create",
        query={**_reference(name), "platform": platform},
        headers={"X-Registry-Auth": header},
    )


def _reference(name: str) -> dict[str, str]:
    if "@" in name:
        repository, digest = name.split("@", 1)
        return {"fromImage": _without_tag(repository)[0], "tag": digest}
    repository, tag = _without_tag(name)
    return {"fromImage": repository, "tag": tag or "latest"}


def _without_tag(name: str) -> tuple[str, str]:
    head, colon, tag = name.rpartition(":")
    return (head, tag) if colon and "/" not in tag else (name, "")


def registry_of(name: str) -> str:
    """The registry that an image name points to."""
    first, slash, _ = name.partition("/")
    known = slash and ("." in first or ":" in first or first == "localhost")
    return first if known else "registry-1.docker.io"


def _inspect_image(daemon: Daemon, name: str) -> Json:
    try:
        return daemon.api.get(f"/images/{name}/json")
    except ApiError as error:
        if error.status == NOT_FOUND:
            return None
        raise


def repo_digest(name: str, digests: list[str]) -> str:
    """The digest reference that belongs to an image name, or nothing."""
    if len(digests) == 1:
        return digests[0]
    repository = _without_tag(name.split("@", maxsplit=1)[0])[0]
    return next((digest for digest in digests if digest.split("@")[0] == repository), "")


def _remove_when_free(daemon: Daemon, path: str, in_use: str) -> None:
    """Remove; something in use is tried again for a while, something gone is no error."""
    base, _, force = path.partition("?")
    deadline = time.monotonic() + REMOVAL_TIMEOUT
    while True:
        try:
            daemon.api.delete(base, **({"force": "true"} if force else {}))
        except ApiError as error:
            if error.status == NOT_FOUND:
                return
            if in_use not in str(error):
                raise RefusedError(str(error)) from None
            if time.monotonic() > deadline:
                raise RefusedError(f"timeout while waiting for state to become 'removed': {error}") from None
        else:
            return
        time.sleep(REMOVAL_DELAY)


def _ipam(config: Props) -> Props:
    body = {"Subnet": config.get("subnet"), "IPRange": config.get("ipRange"), "Gateway": config.get("gateway")}
    return {
        **{name: value for name, value in body.items() if value},
        "AuxiliaryAddresses": config.get("auxAddress") or {},
    }
