"""Who may do what, as nginx reads it: `conf.d/accounts.conf` and `conf.d/access.conf`."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from config.access import Access
from config.mirrors import Mirror
from config.nginx import Nginx
from config.site import Site
from config.users import Htpasswd, User
from rendering.nobody import LONGEST, TOO_LONG, prefixes
from rendering.rootfs import HostFile, fingerprint, render

_ACTS = {"pull": ("pull",), "push": ("pull", "push"), "admin": ("pull", "push", "delete"), "metrics": ("metrics",)}
_ALL = "*"


@dataclass(frozen=True)
class Right:
    """What may be done (`pull`, `push`, `delete`) in the repositories of some patterns; None: in all.

    To read the `metrics` is a right too, for no repository.
    """

    acts: tuple[str, ...]
    repositories: tuple[str, ...] | None


Grant = tuple[Right, ...]
"""All rights of an account."""

HOUR = 3600


@dataclass(frozen=True)
class Moment:
    """A second since 1970, and an expression that fits `$msec` from then on, up to its point."""

    second: int
    reached: str


def moment(second: int) -> Moment:
    """Both have ten digits, which are compared from the left: the same number, or the first other digit is higher."""
    digits = str(second)
    higher = [
        f"{digits[:place]}[{int(digit) + 1}-9][0-9]{{{len(digits) - place - 1}}}"
        for place, digit in enumerate(digits)
        if digit != "9"
    ]
    return Moment(second, f"(?:{'|'.join([digits, *higher])})")


def grant_of(user: User) -> Grant:
    """The rights of a user, by role and repositories."""
    acts = _ACTS[user.role]
    if user.repositories is None or _ALL in user.repositories:
        return (Right(acts, None),)
    rights = [Right(acts, user.repositories)]
    if _ALL in user.pull_only:
        rights.append(Right(("pull",), None))
    elif user.pull_only:
        rights.append(Right(("pull",), user.pull_only))
    return tuple(rights)


def access_file(
    *,
    users: Sequence[User],
    access: Access,
    stack: str,
    root: str,
    metrics: bool = False,
    mirrors: Sequence[Mirror] = (),
) -> HostFile:
    """The rights of all users: accounts with the same rights have the same number. `metrics`: there are some."""
    grants: list[Grant] = []
    accounts = []
    for user in users:
        grant = grant_of(user)
        if grant not in grants:
            grants.append(grant)
        quoted = quote(user.name, safe="")
        accounts.append({"name": user.name, "quoted": quoted, "grant": grants.index(grant) + 1, "end": user.end})
    return render(
        "/var/opt/nginx/etc/conf.d/access.conf",
        root=root,
        stack=stack,
        said=[*(_said(user) for user in users), json.dumps({"everybody": {"pull": access.anonymous_pull}})],
        accounts=accounts,
        ends=_ends(users),
        grants=grants,
        all_seeing=[number for number, grant in enumerate(grants, start=1) if any(map(_pulls_all, grant))],
        anonymous=access.anonymous_pull,
        metrics=metrics,
        transparent=any(mirror.transparent for mirror in mirrors),
    )


def accounts_file(
    *, users: Sequence[User], htpasswd: Htpasswd, access: Access, nginx: Nginx, site: Site, stack: str, root: str
) -> HostFile:
    """The inner server that knows the passwords."""
    return render(
        "/var/opt/nginx/etc/conf.d/accounts.conf",
        root=root,
        stack=stack,
        access=access,
        nginx=nginx,
        host_port=site.host_port,
        names=[_as_expression(user.name) for user in users],
        ending=[{"name": _as_expression(user.name), "end": user.end} for user in users if user.end is not None],
        # An account whose end is put off would be refused for as long as that is remembered.
        ends_mark=fingerprint(str([(user.name, user.end) for user in users])),
        ends=[(end, moment(end.second - access.remembered_hours * HOUR)) for end in _ends(users)],
        nobodies=prefixes(users, htpasswd),
        longest=LONGEST,
        too_long=TOO_LONG,
    )


def immutable_file(*, access: Access, nginx: Nginx, stack: str, root: str) -> HostFile:
    """The tags that can't be moved, and whether they can be deleted."""
    immutable = access.immutable
    return render(
        "/var/opt/nginx/etc/conf.d/immutable.conf",
        root=root,
        stack=stack,
        said=json.dumps({"immutable": immutable.model_dump(mode="json")}),
        immutable=immutable,
        # All of a claim's waiting and writing, and some more.
        claim_seconds=2 * nginx.read_timeout + 900,
    )


def _pulls_all(right: Right) -> bool:
    return "pull" in right.acts and not right.repositories


def _ends(users: Iterable[User]) -> list[Moment]:
    return [moment(end) for end in sorted({user.end for user in users if user.end is not None})]


def _said(user: User) -> str:
    """The rights of an account as `registryctl access` reads them: for each act the patterns, `*` for all."""
    rights: dict[str, object] = {
        act: sorted({p for right in grant_of(user) if act in right.acts for p in right.repositories or (_ALL,)})
        for act in _ACTS["admin"]
    }
    ends = {} if user.expires is None else {"ends": user.expires.strftime("%Y-%m-%dT%H:%M:%SZ")}
    return json.dumps({"account": user.name, "role": user.role, **ends, **rights})


def _as_expression(name: str) -> str:
    """A name as a regular expression that matches nothing else, in nginx's double quotes."""
    expression = re.sub(r"([^0-9A-Za-z_\x80-\U0010ffff])", r"\\\1", name)
    return expression.replace("\\", "\\\\").replace('"', '\\"')
