"""Tries a random world at the real proxy: each answer is as the models say, or the trial fails."""

from __future__ import annotations

import json
import random
import re
import shutil
import ssl
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from urllib.parse import quote, urlsplit

from config.access import Access
from registryctl import rights
from tests.e2e.raw import RawConnection
from tests.e2e.role_users import basic
from tests.registryctl.running import Ran
from tests.rendering.proxy_connection import FQDN, PASSWORD, Connection
from tests.rendering.real_proxy import Proxy
from tests.rendering.request_model import elsewhere, path_of
from tests.rendering.rights_chance import TAGS, World, some_request
from tests.rendering.rights_model import METRICS, Known, answer, fits, may
from tests.rendering.sites import user
from tests.rendering.tags_model import Shelf
from tests.rendering.test_immutable_tags import KIND, digest_of, image

ROOT, STRANGER = "root", "stranger"
LIMITS = {"attempts_per_minute": 6000, "attempts_per_address": 6000}
OWN = (
    *(b"log in with the name", b"has nothing of that name", b"does not do that with it", b"this account may not"),
    *(b"immutable", b"<center>nginx</center>", b"There is no such page", b"The page is not available"),
    b"there are no metrics yet",
)
IMAGES = tuple(image(name) for name in "abc")
SHELVES = 6
_TIMED = re.compile(rb"\r\n(?:Date|Connection): [^\r]*")


def put_repositories(storage: Path, names: Iterable[str]) -> None:
    """Empty ones, which the catalogue shows, and which have what every image needs."""
    registry, digest = storage / "docker/registry/v2", digest_of(b"{}").partition(":")[2]
    blob = registry / "blobs/sha256" / digest[:2] / digest
    blob.mkdir(parents=True, exist_ok=True)
    (blob / "data").write_text("{}")
    for name in names:
        layer = registry / "repositories" / name / "_layers/sha256" / digest
        layer.mkdir(parents=True, exist_ok=True)
        (layer / "link").write_text(f"sha256:{digest}")
        (registry / "repositories" / name / "_manifests").mkdir(exist_ok=True)


def walk(connection: Connection, path: str) -> list[str]:
    """All names of a catalogue, page by page, as clients go."""
    found: list[str] = []
    while path:
        page = connection.ask("GET", path)
        assert page.status == 200, (path, page)
        size = int(dict(pair.split("=") for pair in urlsplit(path).query.split("&") if pair).get("n", 100))
        names = page.json["repositories"]
        assert len(names) <= size
        link = page.headers.get("link", "")
        # A page that says that more follows is full.
        assert not link or len(names) == size, (path, page)
        assert not link or link.endswith('>; rel="next"')
        found += names
        path = link.partition(">")[0].removeprefix("<")
    return found


def _is_as(wanted: str, method: str, status: int, said: bytes, *, own: bool) -> bool:
    """Whether that is the answer that is wanted; nothing: the registry's, which itself knows no HEAD for some."""
    if wanted:
        return str(status) == wanted and (own or method == "HEAD")
    refused = status in (0, 401, 403) or (status == 405 and b"\r\nAllow: " not in said)
    return not own and not refused and status < 500


class Trial:
    """A world at a proxy. What was tried is counted, and which requests had a wrong answer is listed."""

    def __init__(self, proxy: Proxy, world: World, chance: random.Random) -> None:
        self._proxy, self._world, self._chance = proxy, world, chance
        self.counted: Counter[str] = Counter()
        self.wrong: list[str] = []
        # A stranger is as an account that has ended.
        self._whom: dict[str | None, Known | None] = {None: None, STRANGER: Known(STRANGER, "pull", (), (), 0)}
        self._whom.update(world.accounts)
        self._plain = proxy.connection(ROOT)
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self._raw = RawConnection(proxy.address, FQDN, context)

    def settle(self) -> None:
        """Its settings are the proxy's, and its repositories are there. The page is away."""
        shutil.rmtree(self._proxy.storage / "docker/registry/v2/repositories", ignore_errors=True)
        put_repositories(self._proxy.storage, self._world.repositories)
        users = [user(ROOT), *(known.setting() for known in self._world.accounts.values())]
        access = Access(anonymous_pull=self._world.everybody, immutable=self._world.kept.setting(), **LIMITS)
        self._proxy.configure(users, access)
        site = self._proxy.home / "etc/conf.d/registry.conf"
        site.write_text(site.read_text().replace("registry-ui:80;", "unix:/run/registry/no-page:;"))
        self._proxy.reload()
        self.counted["users"] += len(self._world.accounts)
        self.counted["repositories"] += len(self._world.repositories)
        self.counted["rights"] += sum(
            1 if known.repositories is None else len(known.repositories) + len(known.pull_only)
            for known in self._world.accounts.values()
        )

    def _wanted(self, who: str | None, method: str, target: str) -> str:
        world = self._world
        return answer(self._whom[who], method, target, world.everybody, time.time(), world.kept)

    # --- catalogues ---------------------------------------------------------------------------------------------------
    def catalogues(self) -> None:
        """Each account's, in pages of any size, from anywhere: in the registry's order, and nothing that is hidden."""
        self._plain.user = ROOT
        whole = walk(self._plain, "/v2/_catalog?n=1000")
        assert sorted(whole) == sorted(self._world.repositories)
        for who, known in self._whom.items():
            self._plain.user = who
            self.counted["catalogues"] += 1
            if wanted := self._wanted(who, "GET", "/v2/_catalog"):
                assert str(self._plain.ask("GET", "/v2/_catalog").status) == wanted, who
                self.counted["catalogues refused"] += 1
                continue
            after = self._chance.choice(("", *self._chance.sample(whole, 2)))
            rest = whole[whole.index(after) + 1 :] if after else whole
            mine = [one for one in rest if may(known, "pull", one, self._world.everybody, time.time())]
            self.counted["names shown"] += len(mine)
            self.counted["names hidden"] += len(rest) - len(mine)
            size = max(1, len(mine) // self._chance.randint(1, 4) + self._chance.choice((-1, 0, 0, 1)))
            last = f"&last={self._chance.choice((after, quote(after, safe='')))}" if after else ""
            assert walk(self._plain, f"/v2/_catalog?n={size}{last}") == mine, (known, self._world.everybody, size, last)

    # --- requests -----------------------------------------------------------------------------------------------------
    def requests(self, number: int) -> None:
        """Of all methods and spellings: each is answered by the proxy or handed on as the models say."""
        names = [*self._world.accounts, *(None, STRANGER) * (len(self._world.accounts) // 10 + 1)]
        refusals: dict[tuple[str, bool, bool], set[bytes]] = defaultdict(set)
        for _ in range(number):
            who = self._chance.choice(names)
            method, target = some_request(self._chance, FQDN, self._world.repositories)
            wanted = elsewhere(method, target) or self._wanted(who, method, path_of(target))
            if not wanted and path_of(target).partition("?")[0] in METRICS:
                # Who may have them is told that none have been written here.
                wanted = "503"
            status, said = self._ask(who, method, target)
            self.counted["requests"] += 1
            self.counted[f"requests: {wanted or 'let'}"] += 1
            own = any(words in said for words in OWN)
            if not _is_as(wanted, method, status, said, own=own):
                where = (method, target, self._whom[who], self._world.everybody)
                self.wrong.append(f"{status} instead of {wanted or 'the registry'}: {where}: {said[:300]!r}")
            # Metrics are no repository: they have answers of their own.
            if wanted in ("401", "403") and b"immutable" not in said and "metrics" not in target:
                refusals[wanted, method == "HEAD", who is None].add(_TIMED.sub(b"", said))
        # What is hidden, what is not there and what is no right of theirs: to the letter the same.
        self.wrong += [f"{key}: {answers}" for key, answers in refusals.items() if len(answers) > 1]

    def _ask(self, who: str | None, method: str, target: str) -> tuple[int, bytes]:
        account = "" if who is None else f"Authorization: {basic(who, PASSWORD)}\r\n"
        line = f"{method} {target} HTTP/1.1\r\n".encode("latin-1")
        request = line + f"Host: {FQDN}\r\n{account}Content-Length: 0\r\n\r\n".encode()
        status, said = self._raw.ask(request)
        # nginx ends a connection after a thousand requests.
        return (status, said) if status else self._raw.ask(request)

    # --- registryctl access -------------------------------------------------------------------------------------------
    def questions(self, command: Callable[..., Ran], folder: Path) -> None:
        """What `registryctl access` says of each account, from the proxy's own files."""
        for name in (rights.ACCESS, rights.IMMUTABLE):
            shutil.copy(self._proxy.home / "etc/conf.d" / name, folder)
        immutable = rights.read_immutable(folder)
        for who, known in self._whom.items():
            if who == STRANGER:
                assert command("access", STRANGER).code == 5
                continue
            repository, tag, now = self._chance.choice(self._world.repositories), self._chance.choice(TAGS), time.time()
            done = command("access", who or "", repository, "--json", f"--at={now}")
            [row] = json.loads(done.out)
            for act in rights.ACTS:
                assert row[act] == may(known, act, repository, self._world.everybody, now), (row, known)
                self.counted["questions"] += 1
            assert immutable.covers(repository, tag) == self._world.kept.covers(repository, tag)
            assert immutable.keeps(repository, tag) == self._world.kept.forbids(repository, tag)

    # --- tags that can't be moved -------------------------------------------------------------------------------------
    def pushes(self, number: int) -> None:
        """Of few images to few tags, and deletions; what tags have in the end is as the model says, too."""
        world, chance = self._world, self._chance
        patterns = [pattern.partition(":")[0] for pattern in world.kept.tags]
        fitting = [name for name in world.repositories if any(fits(pattern, name) for pattern in patterns)]
        names = [*chance.sample(fitting, min(SHELVES - 2, len(fitting))), *chance.sample(world.repositories, 2)]
        shelf = Shelf(world.kept)
        for _ in range(number):
            who = chance.choice((ROOT, ROOT, ROOT, None, chance.choice((*world.accounts,))))
            known = Known(ROOT, "admin", None, (), None) if who == ROOT else self._whom[who]
            repository, content = chance.choice(names), chance.choice(IMAGES)
            digest = digest_of(content)
            method, reference = chance.choice(("PUT", "PUT", "PUT", "DELETE")), chance.choice((*TAGS * 2, digest))
            target = f"/v2/{repository}/manifests/{reference}"
            wanted = answer(known, method, target, world.everybody, time.time(), world.kept)
            if not wanted and method == "PUT":
                wanted = shelf.put(repository, reference, digest)
            elif not wanted:
                wanted = shelf.delete(repository, reference)
            self._plain.user = who
            body = content if method == "PUT" else None
            found = self._plain.ask(method, target, body, **({"Content_Type": KIND} if body else {}))
            self.counted["pushes and deletions"] += 1
            self.counted[f"{method}: {wanted}"] += 1
            assert str(found.status) == wanted, (wanted, method, target, digest, known, world.kept, shelf.tags, found)
        storage = self._proxy.storage / "docker/registry/v2/repositories"
        found_tags = {
            (name, link.parent.parent.name): link.read_text()
            for name in set(names)
            for link in (storage / name / "_manifests/tags").glob("*/current/link")
        }
        assert found_tags == shelf.tags
