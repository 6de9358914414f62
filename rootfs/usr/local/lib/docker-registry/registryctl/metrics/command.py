"""`registryctl metrics`: says the host's metrics, or puts them where they are read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from registryctl import facts
from registryctl.endings import EndError
from registryctl.machine import RUN, Machine
from registryctl.metrics import host, publish, reader, registry, sizes, traffic
from registryctl.metrics.exposition import text
from registryctl.metrics.store import Named, State
from registryctl.options import Parser
from registryctl.status.finding import Here

USAGE = """\
{name} [--publish [--textfile DIRECTORY] [--groups N] [--accounts N] [--repositories N]]

Says in Prometheus' form all that registryctl status knows, what was counted of the proxy's traffic, and the sizes that
the last clean-up, or registryctl usage, has measured.

--publish       say nothing, count what is new, and put all of it, and the registry's own metrics, where the proxy
                shows them: what the timer does
--textfile      put it also there, as docker-registry.prom, for node_exporter
--groups        how many groups of repositories have a name in it; 50
--accounts      how many accounts; 100
--repositories  how many repositories, the largest; 50

Exit codes: 0 done, 1 it could not be put there, 2 wrong options.
"""

_NAMED = vars(Named())

TEXTFILE = "docker-registry.prom"
SOCKETS = RUN / "sockets"
"""What the proxy has of it is `/run/registry`."""


def run(words: Sequence[str], name: str) -> int:
    """Does it; the exit code."""
    parser = Parser(USAGE.format(name=name))
    parser.add_argument("--publish", action="store_true")
    parser.add_argument("--textfile", type=Path, default=None)
    for what in _NAMED:
        parser.add_argument(f"--{what}", type=int, default=None)
    options = parser.parse(words)
    given = {what: number for what in _NAMED if (number := getattr(options, what)) is not None}
    if not options.publish and (options.textfile or given):
        parser.error(f"--textfile, {', '.join(f'--{what}' for what in _NAMED)} go with --publish")
    here = Here(Machine(), facts.load(), facts.load_site())
    if options.publish:
        _publish(here, options.textfile, Named(**given))
    else:
        print(_text(here, reader.load(here.machine)), end="")
    return 0


def _text(here: Here, state: State) -> str:
    measured = sizes.samples(here.machine, state.named.repositories)
    return text([*host.samples(here), *traffic.samples(state.sums), *measured])


def _publish(here: Here, textfile: Path | None, named: Named) -> None:
    path = here.machine.path
    try:
        own = _text(here, reader.read(here.machine, path(here.facts.root / "nginx/logs"), named))
        publish.for_proxy(path(SOCKETS), "host.prom", own)
        publish.for_proxy(path(SOCKETS), "registry.prom", registry.ask(here.machine, here.facts))
        if textfile:
            publish.for_exporter(path(textfile), TEXTFILE, own)
    except OSError as error:
        raise EndError("FAILED", f"the metrics can't be put in place: {error}") from None
