"""Who may do what: every account, in every repository, with every client; and what a change of accounts disturbs."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from tests.e2e import fuzz_target
from tests.e2e.fuzz import Fuzz
from tests.e2e.role_clients import TAG, Makes, Told_
from tests.e2e.role_users import (
    BASE,
    MATRIX,
    OTHER,
    OWN,
    PASSWORD,
    REPOSITORIES,
    Api,
    digest_of,
    forget,
    restored,
    settings,
)
from tests.e2e.support import USER, Deployed, runs
from tests.e2e.traffic import Asking
from tests.lab.host import LabHost

pytestmark = pytest.mark.e2e

MAKES = ("docker", "skopeo", "podman", "crane", "curl")
REQUESTS = 10_000
BLOB = b"a blob that can be mounted"


@dataclass(frozen=True)
class Change:
    """What a client saw while accounts came; the containers did not change, or did."""

    asking: Asking
    same_containers: bool


@pytest.fixture(scope="module")
def registry(deployed: Deployed) -> Iterator[Deployed]:
    """The shared registry, with its own settings back at the end."""
    with restored(deployed):
        yield deployed
        forget(deployed, *(repository.partition("/")[0] for repository in REPOSITORIES))


@pytest.fixture(scope="module")
def change(registry: Deployed) -> Change:
    """An `up` that brings all accounts, while alice asks all the time."""
    before = runs(registry.host)
    registry.stack.configure(settings(registry))
    with Asking(registry) as asking:
        registry.stack.up()
    return Change(asking, runs(registry.host) == before)


@pytest.fixture(scope="module")
def makes(registry: Deployed, change: Change, client_host: LabHost) -> Makes:
    """The clients, and the images that they ask for."""
    assert change.asking.answers
    found = Makes(client_host, registry)
    found.prepare()
    alice = found.ask("crane", USER, registry.password, {})
    assert alice["login", ""].let
    for repository in REPOSITORIES:
        assert alice["push", repository].let, alice
        client_host.run(
            "SSL_CERT_FILE=/root/registry-ca.pem DOCKER_CONFIG=/root/roles/crane-alice "
            f"crane tag {registry.fqdn}/{repository}:crane-alice {TAG}"
        )
        api = Api(registry, USER)
        api.push_blob(repository, b"{}")
        api.push_blob(repository, b"")
        api.push_blob(repository, BLOB + repository.encode())
    return found


@pytest.fixture(scope="module")
def told(registry: Deployed, makes: Makes) -> dict[tuple[str, str], Told_]:
    """Client and account → what it was let do. The clients run side by side."""
    alice = Api(registry, USER)
    plan = {}
    for make in MAKES:
        for user in MATRIX:
            plan[make, user] = {
                repository: alice.push_manifest(repository, f"delete-{make}-{user}", of=f"{make} {user}")
                for repository in REPOSITORIES
                if make in ("skopeo", "crane", "curl")
            }

    def ask(make: str) -> dict[tuple[str, str], Told_]:
        return {
            (make, user): makes.ask(make, user, registry.password if user == USER else PASSWORD, plan[make, user])
            for user in MATRIX
        }

    with ThreadPoolExecutor(len(MAKES)) as pool:
        return {key: value for found in pool.map(ask, MAKES) for key, value in found.items()}


def test_accounts_come_without_disturbing_others(change: Change) -> None:
    """A client of another account gets every answer while accounts change, and nothing restarts."""
    assert change.asking.failures == []
    assert change.asking.answers > 20
    assert change.same_containers


@pytest.mark.parametrize("user", MATRIX)
@pytest.mark.parametrize("make", MAKES)
def test_matrix(told: dict[tuple[str, str], Told_], make: str, user: str) -> None:
    """Each account logs in with each client, and does what its role is for, and nothing else."""
    answers = told[make, user]
    assert answers["login", ""].let, answers["login", ""].words
    wrong = []
    refused = []
    for (act, repository), answer in answers.items():
        right = {"tags": "pull"}.get(act, act)
        match act:
            case "login" | "catalog":
                expected = True
            case "copy":
                expected = "pull" in MATRIX[user][repository] and "push" in MATRIX[user][OWN]
            case _:
                expected = right in MATRIX[user][repository]
        if answer.let != expected:
            wrong.append(f"{act} {repository}: {answer}")
        if not answer.let:
            refused.append(answer.words)
    assert wrong == []
    # And each client tells its user so. The answer to a HEAD has no words.
    assert [words for words in refused if "denied" not in words.lower() and "403" not in words] == []


@pytest.mark.parametrize("user", MATRIX)
def test_the_catalogue_shows_what_may_be_pulled(registry: Deployed, makes: Makes, user: str) -> None:
    """And the page lists that."""
    assert makes.registry is registry
    shown = json.loads(Api(registry, user).ask("GET", "/v2/_catalog?n=1000").body)["repositories"]
    assert {name for name in shown if name in REPOSITORIES} == {r for r in REPOSITORIES if "pull" in MATRIX[user][r]}
    if user == "lead":
        assert [name for name in shown if not name.startswith("team-a/")] == []


@pytest.mark.parametrize(
    "path", ["tags/list", "manifests/v1", "manifests/sha256:" + "0" * 64, "referrers/sha256:" + "0" * 64]
)
def test_hidden_and_absent_answer_alike(registry: Deployed, makes: Makes, path: str) -> None:
    """To the letter, and in equal time: the fastest of many answers. `-s` prints it."""
    assert makes.registry is registry
    api, times = Api(registry, "lead"), dict[str, list[float]]()
    said = set()
    for _ in range(60):
        for name in (OTHER, "team-b/abc"):
            began = time.monotonic()
            answer = api.ask("GET", f"/v2/{name}/{path}")
            times.setdefault(name, []).append(time.monotonic() - began)
            headers = {key: value for key, value in answer.headers.items() if key not in {"date", "connection"}}
            said.add((answer.status, answer.body, tuple(sorted(headers.items()))))
    hidden, absent = map(min, times.values())
    print(f"\nhidden {hidden * 1000:.2f} ms, absent {absent * 1000:.2f} ms")
    assert len(said) == 1
    assert 0.7 < hidden / absent < 1.4


@pytest.mark.parametrize("user", MATRIX)
def test_mounts(registry: Deployed, makes: Makes, user: str) -> None:
    """A blob is mounted from where the account may pull; from elsewhere a mount is an upload like any other."""
    assert makes.registry is registry
    api, alice = Api(registry, user), Api(registry, USER)
    for source in REPOSITORIES:
        content = BLOB + source.encode()
        digest = digest_of(content)
        for target in REPOSITORIES:
            if source == target:
                continue
            alice.ask("DELETE", f"/v2/{target}/blobs/{digest}")
            answer = api.ask("POST", f"/v2/{target}/blobs/uploads/?mount={digest}&from={source}")
            let = 201 if "pull" in MATRIX[user][source] else 202
            expected = let if "push" in MATRIX[user][target] else 403
            assert answer.status == expected, (source, target)
            there = alice.ask("HEAD", f"/v2/{target}/blobs/{digest}").status == 200
            assert there == (expected == 201), (source, target)


@pytest.mark.parametrize(
    "query",
    [
        "mount={}&from=team-a%2Fapp&from=team-b%2Fapp",
        "from=team-a%2Fapp&mount={}&%66rom=team-b%2Fapp",
        "%66rom=team-b%2Fapp&mount={}",
        "mount={}&from=team-a%2F..%2Fteam-b%2Fapp",
        "mount={}&FROM=team-b/app",
        "from=team-a/app;from=team-b/app&mount={}",
    ],
)
def test_a_mount_that_could_be_read_in_two_ways_mounts_nothing(registry: Deployed, makes: Makes, query: str) -> None:
    """However the repository's name is spelt, and also when it comes in the body."""
    digest = digest_of(BLOB + OTHER.encode())
    Api(makes.registry, USER).ask("DELETE", f"/v2/{OWN}/blobs/{digest}")
    team = Api(registry, "team")
    assert team.ask("POST", f"/v2/{OWN}/blobs/uploads/?{query.format(digest)}").status == 202
    form = {"Content_Type": "application/x-www-form-urlencoded"}
    body = f"mount={digest}&from=team-b%2Fapp"
    assert team.ask("POST", f"/v2/{OWN}/blobs/uploads/", body, **form).status == 202
    # nginx gives up a connection whose body the registry did not read.
    assert Api(registry, "team").ask("HEAD", f"/v2/{OWN}/blobs/{digest}").status == 404


def test_refusals(registry: Deployed, change: Change) -> None:
    """Without a password 401 and a challenge, with a wrong one too; with one, 403; all as the registry's own errors."""
    assert change.asking.answers
    for path in ("/v2/", f"/v2/{OTHER}/tags/list", "/v2/_catalog"):
        answer = Api(registry, None).ask("GET", path)
        assert answer.status == 401
        assert answer.headers["www-authenticate"] == 'Basic realm="Registry realm"'
        assert answer.headers["docker-distribution-api-version"] == "registry/2.0"
        assert answer.headers["content-type"] == "application/json"
        assert json.loads(answer.body)["errors"][0]["code"] == "UNAUTHORIZED"
    assert registry.get(f"/v2/{OTHER}/tags/list", user="team", password="wrong").status == 401
    denied = Api(registry, "team").ask("GET", f"/v2/{OTHER}/tags/list")
    assert denied.status == 403
    assert json.loads(denied.body)["errors"][0]["code"] == "DENIED"
    assert denied.headers["docker-distribution-api-version"] == "registry/2.0"
    assert "www-authenticate" not in denied.headers


def test_anonymous_pull(registry: Deployed, makes: Makes) -> None:
    """What is open to all is pulled by clients that are not logged in, and nothing else; who is logged in still is."""
    registry.stack.configure(settings(registry, access={"anonymousPull": ["base/*"]}))
    with Asking(registry) as asking:
        registry.stack.up()
    assert asking.failures == []
    for make in MAKES:
        answers = makes.ask(make, None, "", {})
        let = {key for key, answer in answers.items() if answer.let}
        assert let == {key for key in answers if key in {("pull", BASE), ("tags", BASE), ("catalog", "")}}, (
            make,
            answers,
        )
        logged_in = makes.ask(make, "team", PASSWORD, {})
        let = {key for key, answer in logged_in.items() if answer.let and key[0] in ("login", "pull", "push")}
        assert let == {
            *(("login", ""), ("pull", OWN), ("push", OWN)),
            ("pull", BASE),
        }, (make, logged_in)
    assert registry.get("/token", user="team", password="wrong").status == 401


def test_ten_thousand_strange_requests(registry: Deployed, makes: Makes) -> None:
    """None lets an account into a repository that isn't its own, breaks a server, or changes anything there."""
    digest = fuzz_target.prepare(registry)
    before = fuzz_target.Target.of(registry)
    began = time.monotonic()
    outcome = Fuzz(makes.registry, digest, fuzz_target.MARKER).run(REQUESTS)
    print(f"\n{REQUESTS} requests in {time.monotonic() - began:.0f} s: {dict(sorted(outcome.statuses.items()))}")
    assert outcome.statuses.total() == REQUESTS
    assert outcome.wrong == []
    assert fuzz_target.Target.of(registry) == before
    assert Api(registry, USER).ask("HEAD", f"/v2/{OWN}/blobs/{digest}").status == 404
    # What an account may do it still may.
    assert Api(registry, USER).ask("GET", f"/v2/{OTHER}/blobs/{digest}").body == fuzz_target.MARKER


def test_an_account_is_changed_and_revoked_at_once(registry: Deployed, makes: Makes) -> None:
    """Another password or role counts from the end of `up` on; who is gone gets 401; nobody else notices."""
    assert makes.registry.get("/v2/", user="pusher", password=PASSWORD).status == 200
    assert Api(registry, "team").code("GET", f"/v2/{OWN}/tags/list") == "200"
    changed = settings(registry)
    changed["users"] = [
        {**user, "role": "pull"} if user["name"] == "team" else user
        for user in changed["users"]
        if user["name"] != "pusher"
    ]
    registry.stack.configure(changed)
    with Asking(registry) as asking:
        registry.stack.up()
    assert asking.failures == []
    assert asking.answers > 20
    assert registry.get("/v2/", user="pusher", password=PASSWORD).status == 401
    assert Api(registry, "team").code("GET", f"/v2/{OWN}/tags/list") == "200"
    assert Api(registry, "team").code("POST", f"/v2/{OWN}/blobs/uploads/") == "DENIED"
