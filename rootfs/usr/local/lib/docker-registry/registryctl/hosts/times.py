"""How long hosts wait for each other, in seconds of a clock that goes on while a host sleeps. None is compared.

A host that was asked not to write is bound until LEASE after it read the last beat of who asked. Who asked counts from
before it wrote that beat, and stops MARGIN earlier: so it always stops first, and what it sent has ended by then.
"""

from __future__ import annotations

import time

LEASE = 90.0
MARGIN = 50.0
"""Longer than a removal that was sent may take: see `bucket.REMOVAL_SECONDS`."""
BEAT = 3.0
"""Between two beats."""
LOOK, IDLE, ALONE = 1.0, 5.0, 30.0
"""Between two looks at the bucket: while somebody is served, while there are other hosts, with none."""
PAUSE = 1.0
"""Between two looks for answers."""
SILENT = 90.0
"""After which a host that has not said anything counts as one that does not answer."""
ENDING = 10.0
"""For how long a run waits until others have read that it has ended: several looks."""
CLOSING = 40.0
"""More than writes under way may take, for a barrier to close elsewhere."""
LONGEST_HOLD = 120.0
"""For how long, and for the time that writes under way may take, a host that has closed goes on to say so: then for a
lease more it doesn't write. Its proxy lets pushes wait for 300 s."""
REFRESH = 300.0
"""Between two signs that a host gives of itself."""
MISSED = 900.0
"""After which one without a sign counts as away."""
AWAY = 60.0
"""For so long a store that does not answer is tried again before a host is not taken in."""
SKEW = 600.0
"""By so much the clocks of two hosts may differ: journals tell times."""


def boottime() -> float:
    """Seconds since this host began, those in which it slept among them; whatever its clock says."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
