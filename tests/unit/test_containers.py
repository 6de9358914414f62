"""What all three containers promise, in every stack."""

from __future__ import annotations

import pytest

from rendering.rootfs import TOOLS, render
from tests.unit.programs import stack_of, whole
from tests.unit.recorder import Recorded, Recording

NAMES = ("registry", "registry-ui", "nginx")


@pytest.fixture(params=NAMES)
def container(request: pytest.FixtureRequest, run: Recording) -> Recorded:
    """One of the containers."""
    return run[f"{request.param}-container"]


def test_there_are_three(variant: str, run: Recording) -> None:
    """Registry, page and proxy; no other, but a mirror for each prefix."""
    mirrors = {f"registry-mirror-{mirror['prefix']}" for mirror in stack_of(variant).get("mirrors", [])}
    assert {found.inputs["name"] for found in run.of_type("docker:index/container:Container")} == {*NAMES, *mirrors}


def test_it_comes_back_after_a_reboot(container: Recorded) -> None:
    """Unless an administrator stopped it."""
    assert container.inputs["restart"] == "unless-stopped"


def test_up_makes_good_a_stopped_one(container: Recorded) -> None:
    """One that was stopped by hand is started by the next up."""
    assert container.inputs["mustRun"] is True


def test_up_waits_until_it_is_healthy(run: Recording, preview: bool, container: Recorded) -> None:
    """An up that says it is done has a registry that works. A new container is waited for anew."""
    assert container.inputs["wait"] is False
    ready = run[f"{container.name}-ready"]
    assert container.name in ready.depends_on
    if not preview:
        assert f"{TOOLS}/await-container " in ready.inputs["create"]
        assert ready.inputs["create"].endswith(f" {container.name}-0123456789abcdef")


def test_its_health_is_what_it_answers(container: Recorded) -> None:
    """By HTTP, inside the container, in the Go form of durations, with which a refresh finds no difference."""
    health = container.inputs["healthcheck"]
    assert health["tests"][0] == "CMD-SHELL"
    asked = health["tests"][1]
    if asked == "/bin/sh /etc/distribution/registry-start healthy":
        asked = render("/var/opt/docker-registry/etc/registry-healthy").content
    assert "http" in asked
    assert "127.0.0.1" in asked
    assert (health["interval"], health["timeout"], health["startPeriod"]) == ("5s", "5s", "30s")


def test_a_changed_health_check_takes_effect(container: Recorded) -> None:
    """The provider accepts such changes without applying them: they replace the container instead."""
    assert {"healthcheck", "tmpfs", "init", "mustRun"} <= set(container.replace_on_changes)


def test_a_replacement_stops_the_old_one_first(container: Recorded) -> None:
    """Name and ports are free again when the new one starts."""
    assert container.delete_before_replace


def test_its_log_is_bounded(container: Recorded) -> None:
    """30 MB at most."""
    assert container.inputs["logDriver"] == "json-file"
    assert container.inputs["logOpts"] == {"max-size": "10m", "max-file": "3"}


def test_it_finishes_what_it_does(container: Recorded) -> None:
    """When it is stopped, by Docker or by up, it has half a minute; nginx only waits for SIGQUIT."""
    assert container.inputs["stopTimeout"] == 30
    assert container.inputs["destroyGraceSeconds"] == 30
    assert container.inputs["stopSignal"] == ("SIGTERM" if container.inputs["name"] == "registry" else "SIGQUIT")


def test_its_file_system_is_read_only(container: Recorded) -> None:
    """But the page's: its own start script rewrites it."""
    assert container.inputs["readOnly"] is (container.inputs["name"] != "registry-ui")


def test_scratch_space_in_memory_is_bounded_and_runs_nothing(container: Recorded) -> None:
    """Each tmpfs has a size and is mounted noexec and nosuid."""
    for options in container.inputs.get("tmpfs", {}).values():
        assert "size=" in options
        assert {"noexec", "nosuid"} <= set(options.split(","))


def test_it_keeps_few_capabilities(container: Recorded) -> None:
    """All are dropped; those it needs are named, sorted, as Docker reports them."""
    needed = {
        "registry": [],
        "registry-ui": [
            "CAP_CHOWN",
            "CAP_DAC_OVERRIDE",
            "CAP_NET_BIND_SERVICE",
            "CAP_SETGID",
            "CAP_SETUID",
        ],
        "nginx": ["CAP_CHOWN", "CAP_NET_BIND_SERVICE", "CAP_SETGID", "CAP_SETUID"],
    }
    assert container.inputs["capabilities"] == {"drops": ["ALL"], "adds": needed[container.inputs["name"]]}


def test_it_gains_no_privileges(container: Recorded) -> None:
    """Nor is it ever privileged or in the host's network."""
    assert container.inputs["securityOpts"] == ["no-new-privileges:true"]
    assert not {"privileged", "networkMode", "pidMode"} & container.inputs.keys()


def test_it_is_found_by_its_name(run: Recording, container: Recorded) -> None:
    """In the stack's network, by an alias that is its name."""
    network = run["network-bridge"].inputs["name"]
    name = container.inputs["name"]
    assert container.inputs["networksAdvanced"] == [{"name": network, "aliases": [name]}]
    assert "network-bridge" in container.depends_on


LIMITS = {"registry": (2048, 2048), "registry-ui": (256, 256), "nginx": (1024, 256)}


def test_its_memory_is_bounded_and_not_swapped(container: Recorded) -> None:
    """One setting without the other would be a difference that never ends."""
    memory, _ = LIMITS[container.inputs["name"]]
    assert container.inputs["memory"] == container.inputs["memorySwap"] == memory


def test_its_processes_are_bounded(run: Recording, preview: bool, container: Recorded) -> None:
    """Once it is there; a new container gets its bound anew."""
    _, processes = LIMITS[container.inputs["name"]]
    bound = run[f"{container.name}-ready"]
    assert container.name in bound.depends_on
    if not preview:
        assert f"{TOOLS}/await-container {processes} " in bound.inputs["create"]


def test_published_ports_are_sorted_and_have_an_address(container: Recorded) -> None:
    """Otherwise each refresh would find a difference. Only the proxy publishes any."""
    ports = container.inputs["ports"]
    assert bool(ports) == (container.inputs["name"] == "nginx")
    assert [port["internal"] for port in ports] == sorted(port["internal"] for port in ports)
    assert all(port["ip"] for port in ports)


def test_it_mounts_directories_that_the_stack_made(run: Recording, container: Recorded) -> None:
    """With owner and mode; never a file, which would stay the old one when it is replaced by a rename."""
    made = {line.split()[2] for line in run.directories}
    # Whose owner is the proxy's to choose.
    commands = [str(one.inputs["create"]) for one in run.commands]
    made |= {command.split()[-1] for command in commands if "mkdir -p -m 0700 " in command}
    for volume in container.inputs["volumes"]:
        if "hostPath" in volume:
            assert volume["hostPath"] in made


def test_what_it_only_reads_it_cannot_write(container: Recorded) -> None:
    """Directories of the host are mounted read-only, but the proxy's logs and cache, and the sockets."""
    for volume in container.inputs["volumes"]:
        if "hostPath" in volume:
            assert volume["readOnly"] is not volume["hostPath"].endswith(("/logs", "/cache", "/sockets")), volume


def test_it_runs_the_image_that_was_pulled(container: Recorded) -> None:
    """By the image's id: a new image under the same tag replaces the container."""
    name = container.name.removesuffix("-container").removeprefix("registry-")
    assert f"images-{name}" in container.depends_on


def test_its_image_is_known_once_it_is_pulled() -> None:
    """The id is that of the reference in the settings."""
    run = whole("full", False)
    assert run["nginx-container"].inputs["image"] == "sha256:nginx:1.24.0"
    assert run["registry-container"].inputs["image"] == f"sha256:registry:2.8.3@sha256:{'ab' * 32}"
    assert run["registry-ui-container"].inputs["image"] == "sha256:example.net/ui:2.5.7"


def test_its_time_is_the_host_s(variant: str, container: Recorded) -> None:
    """The time zone of the settings, by its name."""
    assert f"TZ={'Europe/Vienna' if variant == 'full' else 'Etc/UTC'}" in container.inputs["envs"]
    assert container.inputs["envs"] == sorted(container.inputs["envs"])


def test_the_proxy_starts_last(run: Recording) -> None:
    """After registry and page, and after all the files it reads."""
    assert run["nginx-container"].depends_on >= {
        "registry-container",
        "registry-ui-container",
        "nginx-files-htpasswd",
        "nginx-files-configuration",
    }
