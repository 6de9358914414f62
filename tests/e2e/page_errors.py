"""What a page logs as an error in a browser."""

import re
from collections.abc import Sequence
from typing import Any


def listen(page: Any, repositories: Sequence[str]) -> list[str]:  # noqa: ANN401 - playwright's own
    """The errors, as they come. That a repository of another test has no tags any more is none."""
    errors: list[str] = []

    def note(message: Any) -> None:  # noqa: ANN401
        url = message.location["url"]
        found = re.search(r"/v2/(.+)/tags/list", url)
        foreign = found is not None and found[1] not in repositories and " 404 " in message.text
        if message.type == "error" and not foreign:
            errors.append(f"{url}: {message.text}")

    page.on("console", note)
    page.on("pageerror", lambda error: errors.append(str(error)))
    return errors
