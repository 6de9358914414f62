"""Who may do what, as nginx reads it: `conf.d/accounts.conf` and `conf.d/access.conf`."""

from collections.abc import Sequence
from dataclasses import dataclass

from config.access import Access
from config.nginx import Nginx
from config.site import Site
from config.users import User
from rendering.rootfs import HostFile, render

_ACTS = {"pull": ("pull",), "push": ("pull", "push"), "admin": ("pull", "push", "delete")}
_ALL = "*"


@dataclass(frozen=True)
class Right:
    """What may be done (`pull`, `push`, `delete`, `catalog`) in the repositories of some patterns; None: in all."""

    acts: tuple[str, ...]
    repositories: tuple[str, ...] | None


Grant = tuple[Right, ...]
"""All rights of an account."""


def grant_of(user: User) -> Grant:
    """The rights of a user, by role and repositories. Who may pull all sees the catalogue too."""
    acts = _ACTS[user.role]
    if user.repositories is None or _ALL in user.repositories:
        return (Right((*acts, "catalog"), None),)
    rights = [Right(acts, user.repositories)]
    if _ALL in user.pull_only:
        rights.append(Right(("pull", "catalog"), None))
    elif user.pull_only:
        rights.append(Right(("pull",), user.pull_only))
    return tuple(rights)


def access_file(*, users: Sequence[User], access: Access, stack: str, root: str) -> HostFile:
    """The rights of all users: accounts with the same rights have the same number."""
    grants: list[Grant] = []
    accounts = []
    for user in users:
        grant = grant_of(user)
        if grant not in grants:
            grants.append(grant)
        accounts.append({"name": user.name, "grant": grants.index(grant) + 1})
    return render(
        "/var/opt/nginx/etc/conf.d/access.conf",
        root=root,
        stack=stack,
        accounts=accounts,
        grants=grants,
        anonymous=access.anonymous_pull,
    )


def passwords_file(*, access: Access, nginx: Nginx, site: Site, stack: str, root: str) -> HostFile:
    """The inner server that knows the passwords."""
    return render(
        "/var/opt/nginx/etc/conf.d/accounts.conf",
        root=root,
        stack=stack,
        access=access,
        nginx=nginx,
        authority=site.authority,
    )
