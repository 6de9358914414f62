"""The lab's commands: `python -m tests.lab COMMAND`."""

import argparse
import os
import shlex
import shutil
import sys
from collections.abc import Callable, Sequence

from tests.lab import demo, images
from tests.lab.audit import report
from tests.lab.debian import UBUNTU_SUITES
from tests.lab.docker import docker, release
from tests.lab.engine import engine
from tests.lab.host import LabHost
from tests.lab.hub import start_hub
from tests.lab.lab import Lab, default_name, names_of_checkout
from tests.lab.locks import locked
from tests.lab.log import say, step
from tests.lab.paths import run_dir
from tests.lab.prepare import prepare
from tests.lab.run import LabError

AUDITED = ("/var/opt", "/usr/local/lib/docker-registry", "/usr/local/bin/registry-status", "/var/lib/docker-registry")
"""What the program keeps on a host, by default."""


def start(options: argparse.Namespace) -> None:
    """Prepare everything and start a host, or a stopped one anew."""
    lab = Lab.open(options.lab)
    prepare(options.suite)
    start_hub(lab)
    for name in _stopped(lab):
        host = LabHost.find(name, lab)
        if host is not None:
            with step(f"host {name} at {host.address}"):
                host.resume()
    if LabHost.find(options.host, lab) is None:
        LabHost.start(options.host, options.image, aliases=options.alias, lab=lab, suite=options.suite)
    show(options)


def show(options: argparse.Namespace) -> None:
    """Print the hosts of the lab and how to reach them."""
    lab = Lab.find(options.lab)
    if lab is None:
        print(f"no lab {options.lab or default_name()}")
        return
    print(f"lab {lab.name}, network {lab.subnet}")
    stopped = _stopped(lab)
    for name in _hosts(lab):
        host = LabHost.find(name, lab)
        if host is not None:
            state = "stopped" if name in stopped else "running"
            print(f"{name}: {state}, {host.address}\n  {host.describe()}")


def stop(options: argparse.Namespace) -> None:
    """Shut all hosts down; their disks stay, and `start` starts them again."""
    lab = Lab.find(options.lab)
    if lab is not None:
        running = sorted({*lab.containers()} - {f"{lab.name}-{name}" for name in _stopped(lab)})
        if running:
            with step(f"lab {lab.name}: stopping"):
                docker("stop", "--time", "60", *running)
    release()


def remove(options: argparse.Namespace) -> None:
    """Remove the lab: hosts, disks, hub, network, keys. Built images and tools stay in the cache.

    With the last lab of this checkout go its stacks and their state.
    """
    lab = Lab.find(options.lab)
    if lab is not None:
        with step(f"lab {lab.name}: removing"):
            lab.remove()
    if options.cache:
        _remove_images()
    if not names_of_checkout():
        for name in ("stacks", "state", "pulumi-home", "bin", "pictures"):
            shutil.rmtree(run_dir(name))
    release()


def run_demo(options: argparse.Namespace) -> None:
    """From a blank host to a registry in use; the host keeps running."""
    note = demo.up(options.suite, options.login)
    print(f"\n{note['url']}/ui/ at {note['address']}, user {note['username']}; everything is in .lab/demo.json")
    print(f"  ssh:    {note['ssh']}\n  pulumi: {note['pulumi']} preview")


def run_demos(options: argparse.Namespace) -> None:
    """The demo on a host of each release, as root and as a user with sudo; nothing stays."""
    del options
    for suite in images.SUITES:
        for login in demo.LOGINS:
            say(f"\ndemo: Debian {suite}, as {login}")
            demo.up(suite, login)
    demo.down()


def demo_down(options: argparse.Namespace) -> None:
    """Remove what the demo made."""
    del options
    demo.down()


def run_audit(options: argparse.Namespace) -> None:
    """Print owner and mode of everything the stack keeps on the demo's host."""
    del options
    lab = Lab.find(demo.lab_name())
    host = LabHost.find("registry", lab) if lab is not None else None
    if host is None:
        raise LabError("there is no demo to audit: run make demo")
    print(report(host, AUDITED), end="")


def pulumi(options: argparse.Namespace) -> None:
    """Run the lab's Pulumi engine with its environment; ends this process."""
    os.execve(engine().pulumi, ["pulumi", *options.arguments], engine().environment)  # noqa: S606


def _hosts(lab: Lab) -> list[str]:
    names = [name.removeprefix(f"{lab.name}-") for name in lab.containers()]
    return [name for name in names if name != "hub" and not name.startswith("pebble")]


def _stopped(lab: Lab) -> list[str]:
    hosts = _hosts(lab)
    form = "{{.State.Running}}"
    states = [docker("inspect", "--format", form, f"{lab.name}-{name}").stdout.strip() for name in hosts]
    return [name for name, state in zip(hosts, states, strict=True) if state != "true"]


def _remove_images() -> None:
    form = "{{.Repository}}:{{.Tag}}"
    found = docker("images", "--filter", f"reference={images.PREFIX}/*", "--format", form).stdout.split()
    if found:
        with step("images: removing"):
            docker("image", "rm", *found, check=False)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.lab", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    def add(name: str, act: Callable[[argparse.Namespace], None]) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=act.__doc__, description=act.__doc__)
        added.set_defaults(act=act, lab=None)
        return added

    for name, act in (("start", start), ("show", show), ("stop", stop), ("remove", remove)):
        added = add(name, act)
        added.add_argument("--lab", help="the lab's name (default: one that only this checkout has)")
        if act is start:
            added.add_argument("--host", default="registry", help="the host's name (default: registry)")
            added.add_argument(
                "--image", choices=["blank", "ready", "client"], default="blank", help="without or with Docker"
            )
            _add_suite(added)
            added.add_argument("--alias", action="append", default=[], help="one more name, such as the FQDN")
        if act is remove:
            added.add_argument("--cache", action="store_true", help="the built images as well")
    demonstrate = add("demo", run_demo)
    _add_suite(demonstrate)
    demonstrate.add_argument("--login", choices=demo.LOGINS, default="root", help="who logs in at the host")
    add("demos", run_demos)
    add("demo-down", demo_down)
    add("audit", run_audit)
    add("pulumi", pulumi).add_argument("arguments", nargs=argparse.REMAINDER, help="what to hand to pulumi")
    return parser


def _add_suite(parser: argparse.ArgumentParser) -> None:
    choices, newest = (*images.SUITES, *UBUNTU_SUITES), images.SUITES[-1]
    parser.add_argument("--suite", choices=choices, default=newest, help=f"the host's release (default: {newest})")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 when it succeeded, 1 with an explanation on standard error when not."""
    options = _parser().parse_args(arguments)
    own = demo.lab_name() if options.command in {"demo", "demos", "demo-down"} else None
    name = own or options.lab or default_name()
    try:
        if options.command in {"pulumi", "show"}:
            options.act(options)
        else:
            with locked(f"command-{name}", wait=False):
                options.act(options)
    except LabError as error:
        say(f"\n{options.command}: {error}")
        return 1
    except KeyboardInterrupt:
        say(f"\n{shlex.quote(options.command)}: interrupted")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
