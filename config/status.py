"""Who is told of what `registry-status` finds, without Prometheus."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from config.base import Concern, Whole, is_printable, refused
from config.schedule import Schedule
from config.webhook import Header, SecretUrl


def _command(value: tuple[str, ...]) -> tuple[str, ...]:
    if not value or not value[0].startswith("/") or not all(word and is_printable(word) for word in value):
        raise refused("the absolute path of a program on the host, and its words, for example [/usr/local/bin/page-me]")
    return value


class Notify(Concern):
    """Who is told when something becomes worse, and when it is well again: once each. Off without `webhook` and
    `command`. A change replaces no container.
    """

    webhook: SecretUrl | None = None
    """Secret. An http or https URL that gets it by POST, as JSON. Its certificate must be one that the host trusts."""

    headers: tuple[Header, ...] = Field(default=(), validate_default=True, strict=False)
    """Headers of that request, such as `Authorization`."""

    command: Annotated[tuple[str, ...], AfterValidator(_command)] | None = Field(
        default=None, strict=False, examples=[["/usr/local/bin/page-me"]]
    )
    """A program on the host and its words, which gets the same JSON on its standard input, as root. No secret may be
    among the words."""

    timeout_seconds: Annotated[int, Whole(1, 30, "seconds")] = Field(default=10, examples=[10])
    """How long each may take."""

    schedule: Schedule = Field(default="*-*-* *:*:30", examples=["*-*-* *:0/5:30"])
    """How often the host looks, and tries again what failed: a calendar expression of systemd, in `host.timeZone`."""

    @property
    def enabled(self) -> bool:
        """Whether somebody is told."""
        return self.webhook is not None or self.command is not None

    @field_validator("headers")
    @classmethod
    def _of_a_request(cls, value: tuple[Header, ...], info: ValidationInfo) -> tuple[Header, ...]:
        if value and info.data.get("webhook", value) is None:
            raise refused("no value, because there is no webhook", found="headers")
        return value


class Status(Concern):
    """What becomes of the status of the registry."""

    notify: Notify = Field(default_factory=Notify)
    """Who is told of it."""
