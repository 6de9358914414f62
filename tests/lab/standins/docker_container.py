"""docker:index/container:Container."""

import time

from tests.lab.standins.container_body import create_body, endpoint_body, update_body
from tests.lab.standins.container_state import read_state
from tests.lab.standins.docker_resource import Daemon, IncompleteError, RefusedError, planned_state
from tests.lab.standins.docker_schema import CONTAINER
from tests.lab.standins.docker_small import NOT_FOUND, find_image
from tests.lab.standins.engine_api import ApiError
from tests.lab.standins.values import Json, Props

HEALTH_DELAY = 0.25  # seconds between two looks at the health
SETTLE_DELAY = 0.1  # seconds that a container has for an exit right after its start
# The only inputs whose change reaches a container that exists. The others are recorded and do nothing.
APPLIED = ("restart", "maxRetryCount", "cpuShares", "memory", "cpuSet", "memorySwap")


class Container:
    """A container: created, connected to its networks, filled with uploads, started, and waited for."""

    fields = CONTAINER
    named = True

    def create(self, daemon: Daemon, inputs: Props) -> tuple[str, Props]:
        image = inputs["image"]
        try:
            find_image(daemon, image, inputs.get("platform"))
        except ApiError as error:
            raise RefusedError(f"Unable to create container with image {image}: {error}") from None
        if "" in (inputs.get("command") or []):
            raise RefusedError("values for command may not be empty")
        platform = inputs.get("platform")
        body = create_body(inputs, image)
        try:
            identity = str(daemon.api.post("/containers/create", body, name=inputs["name"], platform=platform)["Id"])
        except ApiError as error:
            raise RefusedError(f"Unable to create container: {error}") from None
        logs = self._prepare_and_start(daemon, identity, inputs)
        time.sleep(SETTLE_DELAY)
        planned = {**planned_state(CONTAINER, inputs), "containerLogs": logs}
        try:
            found = daemon.api.get(f"/containers/{identity}/json")
        except ApiError as error:
            raise IncompleteError(identity, str(error)) from None
        return identity, read_state(found, planned, created=True)

    def read(self, daemon: Daemon, identity: str, state: Props) -> tuple[str, Props] | None:
        try:
            found = daemon.api.get(f"/containers/{identity}/json")
        except ApiError as error:
            if error.status == NOT_FOUND:
                return None
            raise RefusedError(f"error fetching container information from Docker: {error}") from None
        before = state or planned_state(CONTAINER, {})
        return found["Id"], read_state(found, before, created=False)

    def update(self, daemon: Daemon, identity: str, state: Props, planned: Props) -> Props:
        if any((state.get(name) or 0) != (planned.get(name) or 0) for name in APPLIED):
            try:
                daemon.api.post(f"/containers/{identity}/update", update_body(planned))
            except ApiError as error:
                raise RefusedError(f"Unable to update a container: {error}") from None
        return planned

    def delete(self, daemon: Daemon, identity: str, state: Props) -> None:
        """Stop it, at once unless `destroyGraceSeconds` gives it time, and remove it with its anonymous volumes."""
        if not state.get("attach"):
            grace = max(state.get("destroyGraceSeconds") or 0, 0)
            try:
                daemon.api.post(f"/containers/{identity}/stop", t=grace)
            except ApiError as error:
                raise RefusedError(f"Error stopping container {identity}: {error}") from None
        try:
            daemon.api.delete(f"/containers/{identity}", force=True, v=bool(state.get("removeVolumes")))
        except ApiError as error:
            if not _is_gone(error):
                raise RefusedError(f"Error deleting container {identity}: {error}") from None
        try:
            daemon.api.post(f"/containers/{identity}/wait", condition="removed" if state.get("rm") else "not-running")
        except ApiError as error:
            if not _is_gone(error):
                raise RefusedError(f"Error waiting for container removal '{identity}': {error}") from None

    def _prepare_and_start(self, daemon: Daemon, identity: str, inputs: Props) -> str | None:
        """Everything between creation and the first look; returns the logs of an attached container."""
        try:
            self._connect(daemon, identity, inputs)
            for upload in inputs.get("uploads", []):
                self._upload(daemon, identity, upload)
            if inputs.get("start", True):
                self._start(daemon, identity, inputs)
            if inputs.get("attach"):
                daemon.api.post(f"/containers/{identity}/wait", condition="not-running")
                if inputs.get("logs"):
                    return _logs(daemon.api.get(f"/containers/{identity}/logs", stdout=True, stderr=True))
        except ApiError as error:
            raise IncompleteError(identity, str(error)) from None
        return None

    def _connect(self, daemon: Daemon, identity: str, inputs: Props) -> None:
        attachments = inputs.get("networksAdvanced") or []
        if not attachments:
            return
        try:
            daemon.api.post("/networks/bridge/disconnect", {"Container": identity, "Force": False})
        except ApiError as error:
            if "is not connected to" not in str(error):
                raise IncompleteError(identity, f"Unable to disconnect the default network: {error}") from None
        for attachment in attachments:
            name = attachment["name"]
            try:
                daemon.api.post(f"/networks/{name}/connect", endpoint_body(identity, attachment))
            except ApiError as error:
                raise IncompleteError(identity, f"Unable to connect to network '{name}': {error}") from None

    def _upload(self, daemon: Daemon, identity: str, upload: Props) -> None:
        from tests.lab.standins.container_upload import UploadError, archive_of  # noqa: PLC0415  (rarely needed)

        try:
            archive = archive_of(upload)
        except UploadError as error:
            raise IncompleteError(identity, str(error)) from None
        try:
            daemon.api.request("PUT", f"/containers/{identity}/archive", body=archive, query={"path": "/"})
        except ApiError as error:
            raise IncompleteError(identity, f"Unable to upload volume content: {error}") from None

    def _start(self, daemon: Daemon, identity: str, inputs: Props) -> None:
        try:
            daemon.api.post(f"/containers/{identity}/start")
        except ApiError as error:
            raise IncompleteError(identity, f"Unable to start container: {error}") from None
        if inputs.get("wait"):
            self._wait_healthy(daemon, identity, inputs.get("waitTimeout") or 0)

    def _wait_healthy(self, daemon: Daemon, identity: str, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            health = daemon.api.get(f"/containers/{identity}/json")["State"].get("Health")
            if health is None:
                raise IncompleteError(identity, "wait needs a healthcheck, and the container has none")
            if health["Status"] == "healthy":
                return
            time.sleep(HEALTH_DELAY)
        raise IncompleteError(identity, "container failed to be in healthy state")


def _is_gone(error: ApiError) -> bool:
    return "No such container" in str(error) or "is already in progress" in str(error)


def _logs(answer: Json) -> str:
    """The text of a log stream: frames of 8 bytes header and the text, unless there is a terminal."""
    data = answer if isinstance(answer, bytes) else str(answer or "").encode()
    text, position = b"", 0
    while position + 8 <= len(data) and data[position] in (0, 1, 2):
        size = int.from_bytes(data[position + 4 : position + 8], "big")
        text += data[position + 8 : position + 8 + size]
        position += 8 + size
    return (text + data[position:]).decode(errors="replace")
