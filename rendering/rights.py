"""Who may do what in words, for the eyes of a reviewer."""

from collections.abc import Sequence

from config.access import Access
from config.users import User

NOBODY, TAGS = "(no account)", "(immutable tags)"
"""What no account can be called."""


def rights_in_words(users: Sequence[User], access: Access) -> dict[str, str]:
    """What each account may, what who has none may, and which tags nobody moves."""
    rights = {user.name: _of(user) for user in users}
    if access.anonymous_pull:
        rights[NOBODY] = f"pull in {', '.join(access.anonymous_pull)}"
    immutable = access.immutable
    if immutable.tags:
        unless = f" unless {', '.join(immutable.unless)}" if immutable.unless else ""
        rights[TAGS] = ", ".join(immutable.tags) + unless + ("" if immutable.deletable else "; never deleted")
    return rights


def _of(user: User) -> str:
    where = "everywhere" if user.repositories is None else f"in {', '.join(user.repositories)}"
    parts = ["metrics alone" if user.role == "metrics" else f"{user.role} {where}"]
    if user.pull_only:
        parts.append(f"pull in {', '.join(user.pull_only)}")
    if user.expires is not None:
        parts.append(f"ends {user.expires:%Y-%m-%dT%H:%M:%SZ}")
    return "; ".join(parts)
