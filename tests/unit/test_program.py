"""What holds for every resource of every stack, in a preview and in an update."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator

from tests.unit.assembly import assembled
from tests.unit.programs import SUDO, stack_of, whole
from tests.unit.recorder import STACK_NAME, UNKNOWN, Recorded, Recording, text_of

# A type is part of every resource's identity: another one would replace the resource, with its data.
COMPONENTS = {
    "host": "registry:host:Host",
    "images": "registry:images:Images",
    "network": "registry:network:Network",
    "volumes": "registry:volumes:Volumes",
    "registry": "registry:registry:Registry",
    "registry-ui": "registry:registry-ui:RegistryUi",
    "certificate": "registry:certificate:Certificate",
    "nginx": "registry:nginx:Nginx",
    "nginx-files": "registry:nginx-files:NginxFiles",
    "adoption": "registry:adoption:Adoption",
    "facts": "registry:facts:Facts",
    "logs": "registry:logs:Logs",
    "gc": "registry:garbage-collection:GarbageCollection",
    "renewal": "registry:renewal:Renewal",
    "retention": "registry:retention:Retention",
    "backup": "registry:backup:Backup",
    "metrics": "registry:metrics:Metrics",
    "notify": "registry:notify:Notify",
}


TIMERS = {
    "renewal-enable": ("docker-registry-certificate", "renewal"),
    "gc-enable": ("docker-registry-gc", "gc"),
    "retention-enable": ("docker-registry-retention", "retention"),
    "backup-enable": ("docker-registry-backup", "backup"),
    "metrics-enable": (
        "docker-registry-metrics",
        "traffic /var/lib/docker-registry/traffic-journal /var/lib/docker-registry/usage /var/opt/nginx/logs/traffic "
        "/run/docker-registry/sockets/metrics/host.prom /run/docker-registry/sockets/metrics/registry.prom",
    ),
    "notify-enable": ("docker-registry-notify", "notify /run/docker-registry/notify"),
    "trimming-enable": ("docker-registry-mirrors", "mirrors"),
}
"""Each timer's unit, and the file in which it remembers its last run, or those."""


def components_of(variant: str) -> dict[str, str]:
    """Those of every stack, a mirror for each prefix, what keeps mirrors within bounds, and what shares a bucket."""
    mirrors = stack_of(variant).get("mirrors", [])
    trimming = {"trimming": "registry:trimming:Trimming"} if any("maxSize" in mirror for mirror in mirrors) else {}
    hosts = {"hosts": "registry:hosts:Hosts"} if "s3" in stack_of(variant).get("storage", {}) else {}
    return {
        **COMPONENTS,
        **hosts,
        **{f"mirror-{mirror['prefix']}": "registry:mirror:Mirror" for mirror in mirrors},
        **trimming,
    }


def docker_objects(run: Recording) -> list[Recorded]:
    """What the Docker provider makes."""
    return [resource for resource in run if resource.type.startswith("docker:")]


def test_component_types_are_constant(variant: str, run: Recording) -> None:
    """A component keeps its type and name, so that no update replaces what is below it."""
    assert {component.name: component.type for component in run.components} == components_of(variant)


def test_components_lie_below_the_stack(run: Recording) -> None:
    """Components have no parent but the stack."""
    assert {component.parent for component in run.components} == {""}


def test_every_resource_is_a_component_s_child_and_called_after_it(variant: str, run: Recording) -> None:
    """The name of a resource begins with its component's."""
    for resource in run:
        if resource.custom:
            assert resource.parent in components_of(variant), resource.name
            assert resource.name.startswith(f"{resource.parent}-"), resource.name


def test_components_take_their_children_s_names_from_their_own(preview: bool) -> None:
    """A component by another name gives its children other names: two of a kind could live in one stack."""
    run = assembled("nginx", preview)
    assert {component.name for component in run.components} == set("hinvrucpab")
    for resource in run:
        if resource.custom:
            assert resource.name.startswith(f"{resource.parent}-"), resource.name


def test_components_and_the_stack_register_their_outputs(variant: str, run: Recording) -> None:
    """Each once: the recorder refuses a second time."""
    assert run.registered_outputs.keys() == {*components_of(variant), "production"}


def test_nothing_is_protected_or_ignored(run: Recording) -> None:
    """A plain destroy succeeds, and no change is overlooked."""
    for resource in run:
        assert not resource.protect, resource.name
        assert not resource.ignore_changes, resource.name


def test_only_the_tools_were_ever_called_otherwise(run: Recording) -> None:
    """One that is renamed needs an alias, and then a line here."""
    assert {resource.name for resource in run if resource.aliases} == {"host-tools"}


def test_docker_objects_use_the_host_s_own_provider(run: Recording) -> None:
    """Never the default provider, which would talk to the machine that runs the program."""
    assert docker_objects(run)
    assert {resource.provider for resource in docker_objects(run)} == {"host-docker"}


def test_docker_objects_wait_until_the_host_is_ready(run: Recording) -> None:
    """Docker may have to be installed first."""
    for resource in docker_objects(run):
        assert "host-tools" in resource.depends_on, resource.name


def test_a_local_docker_is_not_asked_before_it_is_there(preview: bool) -> None:
    """Over SSH the first use connects; a local provider pings Docker at once."""
    assert whole("local", preview)["host-docker"].depends_on == {"host-tools"}


def test_docker_objects_bear_the_stack_s_name(run: Recording) -> None:
    """The label tells whose a network, volume or container is; an image belongs to everybody."""
    for resource in docker_objects(run):
        if not resource.type.endswith(":RemoteImage"):
            labels = {label["label"]: label["value"] for label in resource.inputs["labels"]}
            assert labels["docker-registry.stack"] == STACK_NAME, resource.name


def test_orphans_make_way_for_networks_and_containers(run: Recording) -> None:
    """What an interrupted run left under the name of a new network or container is removed before that is made."""
    assert run.hooks == {"host-remove-orphan", "registry-move"}
    for kind in ("docker:index/network:Network", "docker:index/container:Container"):
        for resource in run.of_type(kind):
            more = ("registry-move",) if resource.name == "registry-container" else ()
            assert resource.before_create == ("host-remove-orphan", *more), resource.name


def test_commands_wait_for_the_host(run: Recording) -> None:
    """Nothing runs on a host before it is checked and ready, but what makes it so."""
    making = {"host-check", "host-tools"}
    for command in run.commands:
        if command.name not in making:
            assert "host-tools" in command.depends_on, command.name


def test_commands_run_again_in_place(run: Recording) -> None:
    """No trigger, whose replacement deletes after it creates; no environment, which sshd refuses."""
    for command in run.commands:
        assert not {"triggers", "environment"} & command.inputs.keys(), command.name
        assert command.inputs["addPreviousOutputInEnv"] is False, command.name
        assert not command.delete_before_replace, command.name


def test_volumes_outlive_everything(run: Recording) -> None:
    """No change and no destroy removes a volume."""
    volumes = run.of_type("docker:index/volume:Volume")
    assert len(volumes) == 3
    assert all(volume.retain_on_delete for volume in volumes)


def test_destroy_removes_nothing_that_holds_data(run: Recording) -> None:
    """Accounts, secrets, certificates and directories have no delete: only program files, claim and entry go."""
    for command in run.commands:
        deletes = str(command.inputs.get("delete", ""))
        if command.name == "host-tools":
            assert "for host-tools@" in deletes
            assert "rm -r" not in deletes
        elif command.name == "host-check":
            assert deletes.endswith("rm -f /var/lib/docker-registry/stack")
        elif command.name == "registry-joined":
            assert deletes.endswith("/registryctl hosts leave'")
        elif deletes:
            assert re.search("/put-files? ", str(command.inputs["create"])), command.name
            assert f"/remove-file --for {command.name}@" in deletes, command.name
            assert "stdin" not in command.secrets, command.name
        if command.name in TIMERS:
            unit, trace = TIMERS[command.name]
            ended = f"disable -q --now {unit}.timer && systemctl stop {unit}.service && "
            assert (
                f"{ended}rm -f /var/lib/docker-registry/{trace} /var/lib/systemd/timers/stamp-{unit}.timer" in deletes
            )
    removable = {command.name for command in run.commands if "delete" in command.inputs}
    kept = {command.name for command in run.commands} - removable
    assert kept >= {"nginx-files-htpasswd", "registry-http-secret"}
    assert "volumes-prepare" in kept
    assert kept >= {name for name in run.resources if name.startswith("certificate-")} - {"certificate-acme-files"}


def test_sudo_leads_every_command(variant: str, run: Recording) -> None:
    """With sudo every act on the host goes through it, and without none."""
    for command in run.commands:
        for act, line in command.commands.items():
            if line is not UNKNOWN:
                assert str(line).startswith("sudo -n ") == (variant in SUDO), f"{command.name} {act}"


def _lines(run: Recording) -> Iterator[str]:
    for command in run.commands:
        yield from (str(line) for line in command.commands.values() if line is not UNKNOWN)


def test_every_command_is_valid_shell(variant: str) -> None:
    """Whatever the settings, sh can parse each command."""
    script = "".join(f"{line}\n" for line in _lines(whole(variant, False)))
    done = subprocess.run(["sh", "-n"], input=script, capture_output=True, text=True, timeout=10, check=False)
    assert done.returncode == 0, done.stderr


def test_another_storage_root_moves_everything(preview: bool) -> None:
    """With storage.root set nothing lies below /var/opt any more."""
    for variant, root in (("full", "/srv/registry"), ("local-sudo", "/srv")):
        run = whole(variant, preview)
        assert stack_of(variant)["storage"] == {"root": root}
        for resource in run:
            assert "/var/opt" not in text_of(dict(resource.inputs)), resource.name
        assert "/var/opt" not in text_of(run.registered_outputs)
        assert f"{root}/docker-registry/data" in text_of(dict(run["volumes-registry-data"].inputs))


def _unknown(run: Recording) -> dict[str, set[str]]:
    found = {resource.name: {key for key in resource.inputs if _is_unknown(resource.inputs[key])} for resource in run}
    return {name: keys for name, keys in found.items() if keys}


def _is_unknown(value: object) -> bool:
    match value:
        case dict():
            return any(_is_unknown(inner) for inner in value.values())
        case list():
            return any(_is_unknown(inner) for inner in value)
        case _:
            return value is UNKNOWN


def test_a_preview_of_a_new_stack_shows_all_that_can_be_known(variant: str) -> None:
    """Unknown are the images' ids and what follows from a command's output; every host file is shown."""
    mirrors = [f"mirror-{mirror['prefix']}" for mirror in stack_of(variant).get("mirrors", [])]
    expected = {
        "registry-container": {"image", "labels"},
        "registry-ui-container": {"image"},
        "nginx-container": {"image"},
        **{f"{name}-container": {"image"} for name in mirrors},
        **{f"{name}-container-ready": {"create"} for name in ("registry", "registry-ui", "nginx", *mirrors)},
        "host-versions": {"create"},
    }
    if variant.startswith("local"):
        # A local Docker may not be there yet, and would be asked at once.
        expected["host-docker"] = {"host"}
    assert _unknown(whole(variant, True)) == expected


def test_an_update_knows_everything(variant: str) -> None:
    """No input is left open."""
    assert _unknown(whole(variant, False)) == {}


def test_a_preview_registers_what_an_update_does(variant: str) -> None:
    """The same resources with the same options, whatever is known of their inputs."""
    before, after = whole(variant, True), whole(variant, False)
    assert before.resources.keys() == after.resources.keys()
    for name in before.resources:
        assert before[name].depends_on == after[name].depends_on, name
        assert before[name].secrets == after[name].secrets, name


def test_the_same_settings_give_the_same_resources() -> None:
    """A second run finds nothing to change: no random salt, no date, no order that varies."""
    again = whole.__wrapped__("full", False)
    assert {r.name: r.inputs for r in again} == {r.name: r.inputs for r in whole("full", False)}
