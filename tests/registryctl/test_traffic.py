"""`registryctl metrics`: what it counts of the proxy's log of traffic, each line once."""

from __future__ import annotations

import fcntl
import json
import os
import random
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from registryctl.machine import RESULTS
from registryctl.metrics import exposition, reader, store, traffic
from registryctl.metrics.store import NAME, State, Store
from registryctl.metrics.traffic import Counting, Pulls, Sums
from tests.registryctl.traffic_log import LINE, PULL, Log


@pytest.fixture
def log(tmp_path: Path) -> Log:
    """An empty one."""
    return Log(tmp_path)


def _count(*lines: str, groups: int = 50, accounts: int = 100) -> Sums:
    sums = Sums()
    Counting(sums, groups, accounts).add(lines)
    return sums


@pytest.mark.parametrize(
    ("words", "key"),
    [
        ("blob|200||||1|team/app", ("blob", "team", "200", "hit")),
        ("blob|206||||1|team/app", ("blob", "team", "206", "hit")),
        ("blob|200||200|||app", ("blob", "app", "200", "miss")),
        ("blob|404||404||1|app", ("blob", "other", "404", "miss")),
        ("blob|401|||unauthorized||app", ("blob", "other", "401", "none")),
        ("manifest|200|HIT|||1|app", ("manifest", "app", "200", "hit")),
        ("manifest|200|MISS|200||1|app", ("manifest", "app", "200", "miss")),
        ("manifest|201||502, 502 : 201||1|app", ("manifest", "app", "201", "miss")),
        ("tags|200||200||1|app", ("tags", "app", "200", "miss")),
        ("uploads|202||202||1|app", ("upload", "app", "202", "miss")),
        ("upload|201||201||1|app", ("upload", "app", "201", "miss")),
        ("metrics|200||||1|", ("other", "", "200", "none")),
        ("unknown|418|||||", ("other", "", "4xx", "none")),
        ("unknown|000|||||", ("other", "", "0xx", "none")),
    ],
)
def test_what_a_request_counts_as(words: str, key: tuple[str, ...]) -> None:
    """By what the proxy says of it."""
    sums = _count(*[f"{words}\t10\t20\t0.005\t"] * 3)
    assert sums.requests == {key: [3, 30, 60]}
    assert sums.malformed == 0


@pytest.mark.parametrize(
    ("words", "logins"),
    [
        ("api|401|||unauthorized|1|", {"password": 1, "limit": 0}),
        # It has ended.
        ("api|401||||1|", {"password": 1, "limit": 0}),
        ("api|401|||unauthorized||", {"password": 0, "limit": 0}),
        ("api|429|||limited|1|", {"password": 0, "limit": 1}),
        ("api|200||200||1|", {"password": 0, "limit": 0}),
    ],
)
def test_logins_that_fail(words: str, logins: dict[str, int]) -> None:
    """A request without a password is none."""
    assert _count(f"{words}\t1\t1\t0.000\t").logins == logins


def test_groups_are_bounded() -> None:
    """The first that come have a name, if there is such a repository; who asks for others makes no new one."""
    lines = [f"tags|404||404||1|guess{number}/x\t1\t1\t0.001\t" for number in range(1000)]
    lines += [f"tags|200||200||1|team{number}/x\t1\t1\t0.001\t" for number in range(10)]
    lines += ["tags|404||404||1|team0/y\t1\t1\t0.001\t", "tags|404||404||1|team9/y\t1\t1\t0.001\t"]
    sums = _count(*lines, groups=3)
    assert {key[1] for key in sums.requests} == {"team0", "team1", "team2", "other"}
    assert sums.requests["tags", "other", "404", "miss"][0] == 1001
    assert sums.requests["tags", "team0", "404", "miss"][0] == 1
    assert {key[1] for key in _count(*lines, groups=0).requests} == {"other"}


def test_a_stranger_names_no_group() -> None:
    """Whom the proxy sends to https, or who gets no answer, was let in by nobody. The store's redirects are others."""
    lines = [f"tags|{status}|||||guess{status}/x\t1\t1\t0.001\t" for status in ("307", "000", "009")]
    sums = _count(*lines, "blob|307||307||1|team/x\t1\t1\t0.001\t", groups=1)
    assert sums.groups == ["team"]
    assert {key[1] for key in sums.requests} == {"team", "other"}


@pytest.mark.parametrize(
    ("words", "account"),
    [
        ("blob|200||||=alice|team/app", "alice"),
        ("manifest|404||404||=alice|x", "alice"),
        ("api|403||||=a%20%C3%B6%7C%22|", 'a ö|"'),
        ("blob|200|||||team/app", ""),
        # Whoever said so had no password for it.
        ("api|401|||unauthorized|=alice|", ""),
        ("api|429|||limited|=alice|", ""),
        ("api|401||||=alice|", ""),
        # As an earlier version wrote it.
        ("blob|200||||1|team/app", ""),
    ],
)
def test_whose_request_it_was(words: str, account: str) -> None:
    """Of those whose password was right."""
    assert _count(*[f"{words}\t10\t20\t0.005\t"] * 3).accounts == {account: [3, 30, 60]}


def test_accounts_are_bounded_and_nothing_is_lost() -> None:
    """The first that come have a name; all together they are all requests."""
    lines = [f"api|200||200||=user{number}|\t1\t2\t0.001\t" for number in (0, 1, 2, 3, 0, 1, 2, 3)]
    sums = _count(*lines, LINE, accounts=2)
    assert sums.accounts == {"user0": [2, 2, 4], "user1": [2, 2, 4], "other": [4, 4, 8], "": [1, 1000, 200]}
    assert set(_count(*lines, accounts=0).accounts) == {"other"}
    for place in range(3):
        every = sum(its[place] for its in sums.requests.values())
        assert sum(its[place] for its in sums.accounts.values()) == every


def test_what_an_earlier_version_has_counted_goes_on(log: Log) -> None:
    """It had no accounts, and another place for the bound of groups."""
    log.write(LINE)
    log.counted(groups=7)
    path = log.machine.path(store.of_host())
    with closing(sqlite3.connect(path)) as kept, kept:
        found = json.loads(kept.execute("SELECT found FROM state").fetchone()[0])
        del found["sums"]["accounts"]
        found["groups"] = found.pop("named")["groups"]
        kept.execute("UPDATE state SET found = ?", (json.dumps(found),))
    log.write(LINE.replace("|1|", "|=alice|"))
    state = reader.read(log.machine, log.logs)
    assert state.named.groups == 7
    assert list(state.sums.requests.values()) == [[2, 2000, 400]]
    assert state.sums.accounts == {"alice": [1, 1000, 200]}


@pytest.mark.parametrize(
    "line", ["", "x", "a|b\tc\td\te\t", LINE.replace("0.003", "-"), LINE.replace("|", "", 1), "\t1\t1\t1\t"]
)
def test_a_line_that_says_nothing_is_counted_as_that(line: str) -> None:
    """And disturbs no other."""
    sums = _count(LINE, line, LINE)
    assert (sums.malformed, list(sums.requests.values())) == (1, [[2, 2000, 400]])


def test_how_they_are_told() -> None:
    """As counters, and durations as a histogram whose parts agree."""
    lines = [
        f"blob|200||||1|team/app\t1\t1\t{seconds}\t" for seconds in ("0.000", "0.005", "0.006", "7.500", "900.000")
    ]
    text = exposition.text(traffic.samples(_count(*lines)))
    labels = 'kind="blob",group="team",status="200",cache="hit"'
    assert f"docker_registry_http_requests_total{{{labels}}} 5\n" in text
    assert "# TYPE docker_registry_http_requests_total counter\n" in text
    name = "docker_registry_http_request_duration_seconds"
    for bound, number in (("0.005", 2), ("0.01", 3), ("10", 4), ("300", 4), ("+Inf", 5)):
        assert f'{name}_bucket{{kind="blob",le="{bound}"}} {number}\n' in text
    assert f'{name}_sum{{kind="blob"}} 907.511\n{name}_count{{kind="blob"}} 5\n' in text
    assert 'docker_registry_logins_failed_total{reason="limit"} 0\n' in text


# --- each line once ---------------------------------------------------------------------------------------------------
def test_before_there_is_a_log(log: Log) -> None:
    """Nothing was counted, and that is no fault."""
    assert log.counted() == Sums()


def test_what_is_half_written_is_read_when_it_is_whole(log: Log) -> None:
    """The proxy writes while a run reads."""
    log.write(LINE, LINE[:10], end="")
    assert log.requests() == 1
    log.write(LINE[10:])
    assert log.requests() == 2
    assert log.counted().malformed == 0


def test_a_run_that_was_cut_off_counts_no_line_twice(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever: its result is there as a whole, or not at all."""
    monkeypatch.setattr(reader, "_CHUNK", 1000)
    chance = random.Random(1)  # noqa: S311 - not for secrets
    written, real = 0, Store.save

    def save(its: Store, state: State, pulls: Pulls) -> None:
        if chance.random() < 0.5:
            raise KeyboardInterrupt
        real(its, state, pulls)
        if chance.random() < 0.5:
            raise KeyboardInterrupt

    for _ in range(50):
        lines = chance.randrange(100)
        written += lines
        log.write(*[PULL] * lines, end="\n" if lines else "")
        with monkeypatch.context() as patch:
            patch.setattr(Store, "save", save)
            try:
                log.counted()
            except KeyboardInterrupt:
                continue
    assert log.requests() == written
    assert log.requests() == written
    assert log.pulls()["v1"].times == written


def test_what_was_counted_takes_no_room(log: Log) -> None:
    """One run later, so that a disk that forgets the last result still has its lines."""
    lines = 200_000
    for _ in range(3):
        log.write(*[LINE] * lines)
        log.counted()
    its = log.path.stat()
    one = its.st_size / 3
    assert its.st_blocks * 512 < 1.1 * one
    result = log.machine.path(RESULTS / NAME)
    before = result.read_bytes()
    log.write(LINE)
    assert log.requests() == 3 * lines + 1
    result.write_bytes(before)
    assert log.requests() == 3 * lines + 1
    assert log.counted().malformed == 0


def test_a_result_that_is_lost_or_no_result_begins_anew(log: Log) -> None:
    """With what the log still has: holes say nothing."""
    log.write(*[LINE] * 100_000)
    for _ in range(2):
        log.counted()
    for text in ("", "{", "SQLite format 3\0" + "x" * 5000, json.dumps({"sums": {"requests": [[1]]}})):
        log.machine.path(RESULTS / NAME).write_text(text)
        log.write(*[LINE] * 10)
        sums = log.counted()
        assert 10 <= sum(numbers[0] for numbers in sums.requests.values()) <= 10 + 4096 * 5
        assert sums.malformed <= 1


def test_a_database_that_another_holds_is_kept(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """For too long, or on a full disk: this run fails, and the next one goes on."""
    monkeypatch.setattr(store, "_WAIT_SECONDS", 0.1)
    log.write(*[LINE] * 10)
    assert log.requests() == 10
    with closing(sqlite3.connect(log.machine.path(RESULTS / NAME), isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(OSError, match="locked"):
            log.counted()
    log.write(LINE)
    assert log.requests() == 11


def test_another_log_is_read_from_its_beginning(log: Log) -> None:
    """The sums go on: a counter never falls."""
    log.write(LINE, LINE, LINE)
    assert log.requests() == 3
    log.path.rename(log.logs / "old")
    log.write(LINE)
    assert log.requests() == 4
    os.truncate(log.path, 0)
    log.write(LINE[:20], end="")
    assert log.requests() == 4


def test_where_there_are_no_holes_the_log_grows(log: Log) -> None:
    """On a file system that can't: what is counted is right all the same."""
    log.machine.silence("fallocate")
    for number in range(1, 4):
        log.write(*[LINE] * 1000)
        assert log.requests() == 1000 * number


def test_no_link_is_followed(log: Log) -> None:
    """The proxy, which may have been taken over, writes to this directory."""
    log.path.symlink_to("/etc/passwd")
    with pytest.raises(OSError, match="symbolic"):
        log.counted()


def test_two_runs_take_turns(log: Log) -> None:
    """One by the timer, one by hand."""
    log.write(*[LINE] * 1000)
    with ThreadPoolExecutor() as pool, log.path.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        second = pool.submit(log.requests)
        with pytest.raises(TimeoutError):
            second.result(0.3)
        fcntl.flock(held, fcntl.LOCK_UN)
        assert second.result(10) == 1000
    assert log.requests() == 1000
