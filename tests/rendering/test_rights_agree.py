"""Random rights: what the proxy decides, what `registryctl access` says and what a model says are the same."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from config.access import Access
from registryctl import rights
from registryctl.facts import FactsError
from rendering.access import access_file, moment
from tests.rendering.nginx_maps import Maps
from tests.rendering.proxy_connection import FQDN
from tests.rendering.request_model import elsewhere, path_of
from tests.rendering.rights_chance import some_account, some_patterns, some_repository, some_request
from tests.rendering.rights_model import NOW, answer, may, meaning, sees_all

WORLDS, REQUESTS = 100, 100


@pytest.mark.parametrize("seed", range(4))
def test_the_proxy_and_the_command_agree_with_a_model(seed: int, tmp_path: Path) -> None:
    """In ten thousand requests in all, of which nginx refuses a few itself; `-s` prints how often which answer."""
    counted: dict[str, int] = {}
    for world in range(WORLDS // 4):
        chance = random.Random(f"{seed} {world}")  # noqa: S311 - not for secrets
        everybody = some_patterns(chance, chance.choice((0, 0, 1, 2)))
        accounts = {name: some_account(chance, name) for name in ("alice", "bob", 'c"arol', "d$ave")}
        users = [account.setting() for account in accounts.values()]
        content = access_file(
            users=users, access=Access(anonymous_pull=everybody), stack="a/b/c", root="/var/opt", metrics=True
        ).content
        (tmp_path / "access.conf").write_text(content)
        maps, said = Maps(content), rights.read(tmp_path)
        for _ in range(REQUESTS):
            name = chance.choice((*accounts, *accounts, None))
            account = None if name is None else accounts[name]
            method, target = some_request(chance, FQDN)
            if elsewhere(method, target):
                # That never gets as far as the rights.
                continue
            target = path_of(target)
            wanted = answer(account, method, target, everybody)
            request = {"request_method": method, "request_uri": target, "account": name or "", "msec": f"{NOW}.123"}
            # The site itself shows a catalogue of which a part is hidden.
            access = maps.value("access", **request)
            hides = access == "filtered"
            found = "" if hides else maps.value("answer", **request)
            if account is None and not everybody:
                # Nobody without an account gets as far as the maps.
                assert wanted == "401"
                continue
            assert found == wanted, (account, everybody, method, target)
            if meaning(target)[0] == "catalog" and found == "" and method == "GET":
                assert hides != sees_all(account, everybody), (account, everybody)
            counted[wanted or "let"] = counted.get(wanted or "let", 0) + 1
            repository, act = some_repository(chance), chance.choice(("pull", "push", "delete"))
            assert said.may(name, act, repository, NOW) == may(account, act, repository, everybody), (
                account,
                everybody,
                act,
                repository,
            )
    print(f"\n{counted}")
    assert min(counted[status] for status in ("let", "401", "403", "404", "405")) > 20


def test_a_moment_is_compared_to_the_second() -> None:
    """At every place at which two numbers may differ first."""
    chance = random.Random(1)  # noqa: S311 - not for secrets
    for _ in range(2000):
        second = chance.choice((10**9, 1_999_999_999, 2 * 10**9, chance.randrange(10**9, 8 * 10**9)))
        other = max(10**9, second + chance.choice((0, 1, -1, chance.randrange(-(10**9), 10**9))))
        account = some_account(chance, "bob").setting().model_copy(update={"expires": None})
        assert account.end is None
        text = f'map "$msec" $reached {{\n    default no;\n    "~^{moment(second).reached}[.]" yes;\n}}\n'
        assert Maps(text).value("reached", msec=f"{other}.000") == ("yes" if other >= second else "no")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "#= {\n",
        '#= {"everybody": {}}\n',
        '#= {"account": "a", "role": "push"}\n#= {"everybody": {"pull": []}}\n',
        '#= {"account": "a", "role": "push", "ends": "soon", "pull": [], "push": [], "delete": []}\n',
    ],
)
def test_lines_that_are_not_the_program_s_are_told_of(text: str, tmp_path: Path) -> None:
    """Nothing is said of rights that can't be known."""
    (tmp_path / "access.conf").write_text(text)
    with pytest.raises(FactsError, match=r"pulumi up writes|can't be read"):
        rights.read(tmp_path)


def test_a_file_that_is_not_there_is_told_of(tmp_path: Path) -> None:
    """With what brings it."""
    with pytest.raises(FactsError, match="pulumi up brings it"):
        rights.read(tmp_path)
