"""Settings of retention that are refused, each with the one line that says why."""

from __future__ import annotations

from typing import Any

from tests.unit.config.bad_settings import Bad, bad

REPOSITORIES = (
    "a pattern of repository names without host and tag: lower case, * within one part of a path and ** across, "
    "for example team/*"
)
TAGS = "a pattern of tags: letters, digits, _.- and the wildcards * and ?, for example v*"
ALL: dict[str, Any] = {"repositories": ["**"], "keepLast": 5}


def bad_policy(policy: dict[str, Any], name: str, found: str, expected: str) -> Bad:
    """A second policy that is refused."""
    return Bad(
        {"retention": {"policies": [ALL, policy]}}, f"docker-registry:retention.policies[1].{name}", found, expected
    )


BAD_RETENTION = [
    bad("retention", "mode", "sometimes", '"sometimes"', "off, dry-run or on"),
    # What YAML makes of on, where it is read by the old rules.
    bad("retention", "mode", True, "true", "off, dry-run or on"),
    bad("retention", "mode", "on", '"on"',
        "off, because registry.deleteEnabled is false: the registry would refuse",
        retention={"policies": [ALL]}, registry={"deleteEnabled": False}, ui={"deleteEnabled": False}),
    Bad({"retention": {"mode": "dry-run"}}, "docker-registry:retention.policies", "none",
        "at least one, because retention.mode is dry-run"),
    bad("retention", "schedule", "nightly", '"nightly"',
        "a calendar expression of systemd without a time zone, for example Tue *-*-* 00:00:00; "
        "systemd-analyze calendar explains each"),
    bad("retention", "randomDelay", "1d", '"1d"',
        "a duration with its unit (h, m or s), for example 1h or 30m; 0s for none"),
    Bad({"retention": {"protected": ["v 1"]}}, "docker-registry:retention.protected[0]", '"v 1"', TAGS),
    Bad({"retention": {"protected": "v1"}}, "docker-registry:retention.protected", '"v1"', "a list"),
    bad_policy({"keepLast": 1}, "repositories", "none",
               "at least one pattern of repository names, for example [team/*]"),
    bad_policy({"repositories": ["Team/*"]}, "repositories[0]", '"Team/*"', REPOSITORIES),
    bad_policy({"repositories": ["team/app:v1"]}, "repositories[0]", '"team/app:v1"', REPOSITORIES),
    bad_policy({"repositories": ["/team"]}, "repositories[0]", '"/team"', REPOSITORIES),
    bad_policy({"repositories": ['x"]]']}, "repositories[0]", '"x\\"]]"', REPOSITORIES),
    bad_policy({"repositories": ["**"], "keepLast": 0}, "keepLast", "0", "a whole number from 1 to 100000"),
    bad_policy({"repositories": ["**"], "keepLast": "5"}, "keepLast", '"5"',
               "a whole number, without quotes, for example 10"),
    bad_policy({"repositories": ["**"], "keepDays": 36501}, "keepDays", "36501",
               "a whole number of days from 1 to 36500"),
    bad_policy({"repositories": ["**"], "unpulledDays": 1001}, "unpulledDays", "1001",
               "a whole number of days from 1 to 1000"),
    bad_policy({"repositories": ["**"], "unpulledDays": 90}, "unpulledDays", "90",
               "no value, because metrics.enabled is false: nobody counts pulls"),
    bad_policy({"repositories": ["**"], "keep": ["a/b"]}, "keep[0]", '"a/b"', TAGS),
    bad_policy({"repositories": ["**"], "drop": [".x"]}, "drop[0]", '".x"', TAGS),
    bad_policy({"repositories": ["**"], "keeplast": 5}, "keeplast", "an unknown setting",
               "only repositories, keepLast, keepDays, unpulledDays, keep, drop (did you mean keepLast?)"),
]  # fmt: skip
