"""Settings of the metrics that are refused, each with the one line that says why."""

from __future__ import annotations

from tests.unit.config.bad_settings import bad

_EXAMPLE = "for example /var/lib/prometheus/node-exporter"

BAD_METRICS = [
    bad("metrics", "enabled", "yes", '"yes"', "true or false, without quotes"),
    bad("metrics", "schedule", "15s", '"15s"',
        "a calendar expression of systemd without a time zone, for example Tue *-*-* 00:00:00; "
        "systemd-analyze calendar explains each"),
    bad("metrics", "textfile", "metrics", '"metrics"', f"an absolute path on the host, {_EXAMPLE}"),
    bad("metrics", "textfile", "/a b", '"/a b"', f"a path of letters, digits and ._-/ only, {_EXAMPLE}"),
    bad("metrics", "textfile", "/a/../b", '"/a/../b"',
        f"a path without .., doubled or closing slashes, {_EXAMPLE}"),
    bad("metrics", "interval", 15, "an unknown setting",
        "only enabled, schedule, textfile, groups, accounts, repositories"),
    bad("metrics", "groups", 501, "501", "a whole number from 0 to 500"),
    bad("metrics", "accounts", 1001, "1001", "a whole number from 0 to 1000"),
    bad("metrics", "repositories", -1, "-1", "a whole number from 0 to 500"),
]  # fmt: skip
