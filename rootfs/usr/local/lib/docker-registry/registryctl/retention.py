"""`registryctl retention`: drops images by the policies of the stack.

Only what is known is dropped: a tag without a time stays, and a repository that can't be read wholly is left alone.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from registryctl import clock
from registryctl.act import Outcome, RefusedError, Rules
from registryctl.consequences import Consequences, follow, subject_of
from registryctl.endings import EXIT, EndError, count, printable
from registryctl.facts import Facts, Policy
from registryctl.gc import plan_removal
from registryctl.host import Host, carried_out, check_share, leave_result, looked_at, now, open_host
from registryctl.layout import REPOSITORIES, TagLink
from registryctl.local import Stored, catalogue, faults_of, left, stored, wish_of
from registryctl.options import Parser, seconds
from registryctl.plan import Fresh, Plan
from registryctl.pulls import PullsError, catch_up, last_pulls
from registryctl.rights import Immutable, read_immutable
from registryctl.selection import first_fit
from registryctl.storage import Storage, StorageError

USAGE = """\
{name} [--dry-run] [--force] [--json] [--wait SECONDS]

Drops images by the policies of the stack (retention.policies), as far as its retention.mode allows.

--dry-run  say what would go, and delete nothing, whatever the mode
--force    also if more would go than docker-registry:gc.maxShare allows: of all tags, or of the stored bytes
--wait     how long another tool may take that is at work; 1800
--json     say it in JSON

`registryctl undo` brings back what was dropped. Exit codes: 0 done, 1 something went wrong, 2 wrong options, 3 no
place for the result; 17 it would drop more than gc.maxShare; the others are those of registryctl rm --help, and 14
here means that repositories that can't be read wholly were left alone, and the others were done.
"""

WAIT_SECONDS = 1800
NO_PLACE = 3
DAY = 86400


@dataclass
class Look:
    """What the policies drop at one time, and what is left alone with why."""

    plans: dict[str, Consequences] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    tags: int = 0
    """All tags there are, of all repositories."""
    immutable: Immutable = field(default_factory=Immutable)
    """Some of which may stay for ever."""
    others: Sequence[str] = ()
    """Hosts at which the same images are pulled."""

    @property
    def dropped(self) -> int:
        """The tags that go."""
        return sum(len(plan.tags) for plan in self.plans.values())

    def summary(self) -> str:
        """How much goes, in words."""
        manifests = sum(len(plan.gone) for plan in self.plans.values())
        repositories = count(len(self.plans), "repository", "repositories")
        return f"{count(self.dropped, 'tag')} and {count(manifests, 'manifest')} of {repositories}"


def run(words: Sequence[str], name: str) -> int:
    """Applies the policies; the exit code."""
    options = _options(words, name)
    host = open_host("retention", options.wait)
    mode = host.facts.mode
    why = "--dry-run" if options.dry_run else "" if mode == "on" else f"retention.mode {mode}"
    seen = Look()
    code = 0
    try:
        seen = _drop(host, options, dry=bool(why))
        if seen.skipped:
            raise EndError("UNREADABLE", f"not done: {count(len(seen.skipped), 'repository', 'repositories')}")
    except EndError as error:
        print(printable(str(error)), file=sys.stderr)
        code = error.code
    if why and not options.json:
        print(f"nothing was deleted, because of {why}")
    if options.dry_run or mode == "off":
        return code
    came = f"ok {now()} {seen.summary()}" if code == 0 else f"failed {now()} exit code {code}"
    try:
        leave_result("retention", f"{came}, not deleted: {mode}" if why else came)
    except OSError as error:
        print(f"{name}: no place for the result: {error}", file=sys.stderr)
        return NO_PLACE
    return code


def _options(words: Sequence[str], name: str) -> argparse.Namespace:
    parser = Parser(USAGE.format(name=name))
    for flag in ("--dry-run", "--force", "--json"):
        parser.add_argument(flag, action="store_true")
    parser.add_argument("--wait", type=seconds, default=WAIT_SECONDS)
    return parser.parse(words)


def _drop(host: Host, options: argparse.Namespace, *, dry: bool) -> Look:
    """Looks, drops unless it is dry, and says what."""
    seen = Look()
    now_believed = clock.running(keep=not dry)

    def make(fresh: Fresh) -> Plan:
        nonlocal seen
        # Once it is this tool's turn: what was pushed before that is known.
        seen = looked(host, now_believed())
        return plan_removal(host.storage, {name: wish_of(plan) for name, plan in seen.plans.items()}, fresh)

    def check(plan: Plan) -> None:
        if not options.force:
            _check(host, seen, plan)

    outcome = None
    if dry:
        plan = looked_at(host, make)
    else:
        days = host.facts.trash_days
        rules = Rules(reason="retention", trash_days=days, needs_record=True, check=check, now=now_believed)
        outcome = carried_out(host, make, rules)
        for what in left(host.storage, seen.plans, outcome):
            seen.skipped[what.rpartition(":")[0]] = "by now not all of it can be read"
    _tell(seen, outcome, as_json=options.json)
    if dry:
        try:
            check(plan)
        except RefusedError as error:
            raise EndError("TOO_MUCH", str(error)) from None
    return seen


def _check(host: Host, seen: Look, plan: Plan) -> None:
    """Raises `RefusedError` for more than gc.maxShare, by which a clock that is wrong shows, or a pattern."""
    how = "nothing was deleted. registry-retention --dry-run shows what; registry-retention --force does it"
    if seen.dropped * 100 > seen.tags * host.facts.max_share:
        text = f"{seen.dropped} of {count(seen.tags, 'tag')} would go, more than gc.maxShare ({host.facts.max_share} %)"
        raise RefusedError(f"{text}; {how}", EXIT["TOO_MUCH"])
    check_share(host, plan, how)


def _tell(seen: Look, outcome: Outcome | None, *, as_json: bool) -> None:
    changed = [] if outcome is None else outcome.changed
    if as_json:
        plans = [
            {"repository": name, "tags": dict(plan.tags), "manifests": sorted(plan.gone)}
            for name, plan in seen.plans.items()
        ]
        run = None if outcome is None else outcome.run
        print(json.dumps({"repositories": plans, "notDone": seen.skipped, "changed": changed, "run": run}, indent=2))
        return
    for plan in seen.plans.values():
        for line in plan.describe():
            print(printable(line))
    sys.stdout.flush()
    for name, why in seen.skipped.items():
        print(printable(f"UNREADABLE: {name} is not done: {why}"), file=sys.stderr, flush=True)
    if changed:
        print(f"{len(changed)} of these changed meanwhile, and were kept")
    print(seen.summary())


def looked(host: Host, moment: float) -> Look:
    """What the policies drop at a moment, in seconds since 1970."""
    seen = Look(immutable=read_immutable(host.facts.proxy))
    if any(policy.unpulled_days is not None for policy in host.facts.policies):
        catch_up(host.facts)
        seen.others = host.others()
    for name in catalogue(host.storage):
        seen.tags += _count_tags(host.storage, name)
        policy = _policy_of(host.facts, name)
        if policy is not None:
            _look_at(host, name, policy, moment, seen)
    if seen.plans and not host.facts.delete_enabled:
        raise EndError("UNSUPPORTED", "the registry's settings forbid deletion")
    return seen


def _look_at(host: Host, name: str, policy: Policy, moment: float, seen: Look) -> None:
    found = stored(host.storage, name)
    if found is None or not (found.digests or found.broken):
        return
    for tag, why in sorted(found.broken.items()):
        seen.skipped[name] = f"{tag}: {why}"
        return
    pulled: Mapping[str, float] = {}
    if policy.unpulled_days is not None:
        try:
            pulled = _pulls(found, moment, seen.others)
        except PullsError as error:
            seen.skipped[name] = str(error)
            return
    tags = expired(found, host.facts, policy, Ages(_pushed(host.storage, found), pulled), moment)
    plan = follow(found, {tag: why for tag, why in tags.items() if not seen.immutable.keeps(name, tag)})
    if not plan.tags:
        return
    for tag in sorted(tag for tag in plan.tags if seen.immutable.keeps(name, tag)):
        seen.skipped[name] = f"{tag} would go along, and access.immutable.deletable is false"
        return
    for fault in faults_of(host.storage, plan, wish_of(plan)):
        seen.skipped[name] = fault
        return
    seen.plans[name] = plan


def _pulls(found: Stored, moment: float, others: Sequence[str]) -> Mapping[str, float]:
    if others:
        raise PullsError(f"what is pulled of it at {', '.join(others)} is not counted here")
    return last_pulls(found, moment)


def _policy_of(facts: Facts, repository: str) -> Policy | None:
    return next((policy for policy in facts.policies if first_fit(policy.repositories, repository)), None)


def _count_tags(storage: Storage, repository: str) -> int:
    try:
        return len(storage.list(f"{REPOSITORIES}/{repository}/_manifests/tags"))
    except StorageError:
        return 0


def _pushed(storage: Storage, found: Stored) -> Iterator[tuple[str, float]]:
    """When tags were pushed, in seconds. Read after their digests: a push in between makes a tag younger."""
    for tag in found.digests:
        try:
            yield tag, storage.time(TagLink(found.name, tag).path) / 1_000_000_000
        except StorageError:
            continue


@dataclass(frozen=True)
class Ages:
    """When tags were pushed, and pulled last, in seconds."""

    pushed: Iterable[tuple[str, float]]
    pulled: Mapping[str, float] = field(default_factory=dict)


def expired(found: Stored, facts: Facts, policy: Policy, ages: Ages, moment: float) -> Mapping[str, str]:
    """The tags that go, each with why. What is attached to an image has no age of its own."""
    tags: dict[str, str] = {}
    by_age: list[tuple[float, str]] = []
    times = dict(ages.pushed)
    for tag in found.digests:
        if subject_of(tag) or first_fit(facts.protected, tag) or first_fit(policy.keep, tag):
            continue
        if pattern := first_fit(policy.drop, tag):
            tags[tag] = f"fits {pattern}"
        # One of the future stays, and takes no other's place: a clock was wrong, and nobody knows when it was pushed.
        elif times.get(tag, math.inf) <= moment + clock.TOLERATED:
            by_age.append((-times[tag], tag))
    if policy.keep_last is None and policy.keep_days is None and policy.unpulled_days is None:
        return tags
    for rank, (age, tag) in enumerate(sorted(by_age), start=1):
        used = max(-age, ages.pulled.get(tag, 0))
        if (
            rank > (policy.keep_last or 0)
            and moment + age >= (policy.keep_days or 0) * DAY
            and moment - used >= (policy.unpulled_days or 0) * DAY
        ):
            tags[tag] = f"pushed {_day(-age)}, number {rank}" + _unpulled(policy, used)
    return tags


def _unpulled(policy: Policy, used: float) -> str:
    return "" if policy.unpulled_days is None else f", not pulled since {_day(used)}"


def _day(moment: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(moment))
