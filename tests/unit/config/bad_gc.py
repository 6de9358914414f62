"""Settings of the clean-up that are refused, each with the one line that says why."""

from __future__ import annotations

from tests.unit.config.bad_settings import bad

BAD_GC = [
    bad("gc", "enabled", "no", '"no"', "true or false, without quotes"),
    bad("gc", "schedule", "1 5 * * *", '"1 5 * * *"',
        "a calendar expression of systemd without a time zone, for example Tue *-*-* 00:00:00; "
        "systemd-analyze calendar explains each"),
    bad("gc", "randomDelay", "30", '"30"',
        "a duration with its unit (h, m or s), for example 1h or 30m; 0s for none"),
    bad("gc", "deleteUntagged", True, "true",
        "false, because registry:2.8.3 would remove the platforms of tagged images too",
        images={"registry": "registry:2.8.3"}),
    bad("gc", "deleteUntagged", "true", '"true"', "true or false, without quotes"),
    bad("gc", "maxShare", 0, "0", "a whole number of percent from 1 to 100"),
    bad("gc", "maxShare", 0.5, "0.5", "a whole number, without quotes, for example 50"),
    bad("gc", "drainSeconds", 901, "901", "a whole number of seconds from 1 to 900"),
    bad("gc", "trashDays", 366, "366", "a whole number of days from 0 to 365"),
    bad("gc", "trashDays", -1, "-1", "a whole number of days from 0 to 365"),
    bad("gc", "maxshare", 50, "an unknown setting",
        "only enabled, schedule, randomDelay, deleteUntagged, maxShare, drainSeconds, trashDays "
        "(did you mean maxShare?)"),
]  # fmt: skip
