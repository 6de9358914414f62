"""A container's state as the provider reads it from the daemon."""

from collections.abc import Mapping
from typing import Any

from tests.lab.standins.container_body import MEGABYTE
from tests.lab.standins.docker_resource import keep_null, label_list
from tests.lab.standins.gotext import format_duration
from tests.lab.standins.values import Props

# Read back as null after a creation that didn't set them, and as empty by a refresh.
_EMPTY_WHEN_READ = ("dns", "dnsOpts", "dnsSearches", "groupAdds", "logOpts", "storageOpts", "sysctls", "tmpfs")


def read_state(found: Mapping[str, Any], before: Props, *, created: bool) -> Props:
    """The state of an inspected container. `before` has what the daemon can't tell: envs, labels, volumes, uploads.

    `created`: this ends a creation, so that `before` is what the inputs lead to.
    """
    state = {**before, **_from_config(found["Config"]), **_from_host_config(found["HostConfig"])}
    state |= _from_network(found.get("NetworkSettings") or {})
    state["name"] = found["Name"].lstrip("/")
    state["image"] = before.get("image") or found["Image"]
    state["platform"] = found.get("Platform") or "linux"
    running = found["State"]["Running"]
    state["exitCode"] = None if running else found["State"]["ExitCode"]
    if not running and before.get("mustRun"):
        state["mustRun"] = False
    if created:
        for name in _EMPTY_WHEN_READ:
            state[name] = keep_null(before.get(name), state[name])
    else:
        state["networksAdvanced"] = [_priority(item) for item in state.get("networksAdvanced") or []]
        state["volumes"] = [{**v, "readOnly": bool(v.get("readOnly"))} for v in state.get("volumes") or []]
    return state


def _priority(attachment: Mapping[str, Any]) -> Props:
    return {**attachment, "gwPriority": attachment.get("gwPriority") or 0}


def _from_config(config: Mapping[str, Any]) -> Props:
    return {
        "hostname": config.get("Hostname", ""),
        "domainname": config.get("Domainname", ""),
        "command": config.get("Cmd") or [],
        "entrypoints": config.get("Entrypoint") or [],
        "user": config.get("User", ""),
        "workingDir": config.get("WorkingDir", ""),
        "tty": config.get("Tty", False),
        "stdinOpen": config.get("OpenStdin", False),
        "stopSignal": config.get("StopSignal") or "",
        "stopTimeout": config.get("StopTimeout") or 0,
        "healthcheck": _healthcheck(config.get("Healthcheck")),
    }


def _healthcheck(check: Mapping[str, Any] | None) -> Props | None:
    if not check:
        return None
    durations = {
        "interval": "Interval",
        "timeout": "Timeout",
        "startPeriod": "StartPeriod",
        "startInterval": "StartInterval",
    }
    state: Props = {ours: format_duration(check.get(theirs) or 0) for ours, theirs in durations.items()}
    return {**state, "retries": check.get("Retries") or 0, "tests": check.get("Test") or []}


def _from_host_config(host: Mapping[str, Any]) -> Props:
    restart = host.get("RestartPolicy") or {}
    log = host.get("LogConfig") or {}
    return {
        "rm": host.get("AutoRemove", False),
        "readOnly": host.get("ReadonlyRootfs", False),
        "dns": host.get("Dns") or [],
        "dnsOpts": host.get("DnsOptions") or [],
        "dnsSearches": host.get("DnsSearch") or [],
        "securityOpts": host.get("SecurityOpt") or [],
        "publishAllPorts": host.get("PublishAllPorts", False),
        "restart": restart.get("Name") or "no",
        "maxRetryCount": restart.get("MaximumRetryCount") or 0,
        "init": bool(host.get("Init")),
        "capabilities": _capabilities(host),
        "runtime": host.get("Runtime", ""),
        "mounts": [_mount(mount) for mount in host.get("Mounts") or []],
        "tmpfs": host.get("Tmpfs") or {},
        "hosts": [_host(entry) for entry in host.get("ExtraHosts") or []],
        "ulimits": [{"hard": u["Hard"], "name": u["Name"], "soft": u["Soft"]} for u in host.get("Ulimits") or []],
        "privileged": host.get("Privileged", False),
        "devices": [_device(device) for device in host.get("Devices") or []],
        "memory": (host.get("Memory") or 0) // MEGABYTE,
        "memoryReservation": (host.get("MemoryReservation") or 0) // MEGABYTE,
        "memorySwap": _megabytes(host.get("MemorySwap") or 0),
        "shmSize": (host.get("ShmSize") or 0) // MEGABYTE,
        "cpuShares": host.get("CpuShares") or 0,
        "cpuSet": host.get("CpusetCpus") or "",
        "logDriver": log.get("Type", ""),
        "logOpts": log.get("Config") or {},
        "storageOpts": host.get("StorageOpt") or {},
        "networkMode": host.get("NetworkMode", ""),
        "pidMode": host.get("PidMode") or None,
        "usernsMode": host.get("UsernsMode", ""),
        "sysctls": host.get("Sysctls") or {},
        "ipcMode": host.get("IpcMode", ""),
        "groupAdds": host.get("GroupAdd") or [],
    }


def _megabytes(size: int) -> int:
    return size // MEGABYTE if size > 0 else size


def _capabilities(host: Mapping[str, Any]) -> Props | None:
    adds, drops = host.get("CapAdd") or [], host.get("CapDrop") or []
    return {"adds": adds, "drops": drops} if adds or drops else None


def _host(entry: str) -> Props:
    name, address = entry.split(":", 1)
    return {"host": name, "ip": address}


def _device(device: Mapping[str, Any]) -> Props:
    return {
        "containerPath": device["PathInContainer"],
        "hostPath": device["PathOnHost"],
        "permissions": device["CgroupPermissions"],
    }


def _mount(mount: Mapping[str, Any]) -> Props:
    bind, volume, tmpfs = mount.get("BindOptions"), mount.get("VolumeOptions"), mount.get("TmpfsOptions")
    state: Props = {
        "type": mount["Type"],
        "target": mount["Target"],
        "source": mount.get("Source", ""),
        "readOnly": mount.get("ReadOnly", False),
        "bindOptions": {"propagation": bind.get("Propagation", "")} if bind else None,
        "tmpfsOptions": None,
        "volumeOptions": None,
    }
    if tmpfs:
        state["tmpfsOptions"] = {"mode": tmpfs.get("Mode", 0), "sizeBytes": tmpfs.get("SizeBytes", 0)}
    if volume:
        driver = volume.get("DriverConfig") or {}
        state["volumeOptions"] = {
            "driverName": driver.get("Name", ""),
            "driverOptions": driver.get("Options") or {},
            "labels": label_list(volume.get("Labels")),
            "noCopy": volume.get("NoCopy", False),
            "subpath": volume.get("Subpath", ""),
        }
    return state


def _from_network(settings: Mapping[str, Any]) -> Props:
    networks = settings.get("Networks") or {}
    return {
        "bridge": settings.get("Bridge", ""),
        "ports": _ports(settings.get("Ports") or {}),
        "networkDatas": [_network(name, networks[name]) for name in sorted(networks)],
    }


def _ports(ports: Mapping[str, Any]) -> list[Props]:
    state = []
    for name, bindings in ports.items():
        internal, protocol = name.split("/")
        for binding in bindings or []:
            external = int(binding["HostPort"] or 0)
            state.append(
                {"external": external, "internal": int(internal), "ip": binding["HostIp"], "protocol": protocol}
            )
    return sorted(state, key=lambda port: (port["internal"], port["external"], port["protocol"], port["ip"]))


def _network(name: str, endpoint: Mapping[str, Any]) -> Props:
    return {
        "gateway": endpoint.get("Gateway", ""),
        "globalIpv6Address": endpoint.get("GlobalIPv6Address", ""),
        "globalIpv6PrefixLength": endpoint.get("GlobalIPv6PrefixLen", 0),
        "ipAddress": endpoint.get("IPAddress", ""),
        "ipPrefixLength": endpoint.get("IPPrefixLen", 0),
        "ipv6Gateway": endpoint.get("IPv6Gateway", ""),
        "macAddress": endpoint.get("MacAddress", ""),
        "networkName": name,
    }
