"""What a container's inputs mean to the Docker Engine: the body of the request that creates it."""

from collections.abc import Iterable, Mapping
from typing import Any

from tests.lab.standins.docker_resource import label_map
from tests.lab.standins.gotext import parse_duration
from tests.lab.standins.values import Props

MEGABYTE = 1024 * 1024

# Inputs that the request takes as they are: name of the input, name in the request.
_CONFIG = {
    "hostname": "Hostname",
    "domainname": "Domainname",
    "tty": "Tty",
    "stdinOpen": "OpenStdin",
    "envs": "Env",
    "command": "Cmd",
    "entrypoints": "Entrypoint",
    "user": "User",
    "workingDir": "WorkingDir",
    "stopSignal": "StopSignal",
    "stopTimeout": "StopTimeout",
}
_HOST = {
    "privileged": "Privileged",
    "publishAllPorts": "PublishAllPorts",
    "rm": "AutoRemove",
    "readOnly": "ReadonlyRootfs",
    "tmpfs": "Tmpfs",
    "dns": "Dns",
    "dnsOpts": "DnsOptions",
    "dnsSearches": "DnsSearch",
    "securityOpts": "SecurityOpt",
    "cpuShares": "CpuShares",
    "cpuSet": "CpusetCpus",
    "cpuPeriod": "CpuPeriod",
    "cpuQuota": "CpuQuota",
    "networkMode": "NetworkMode",
    "usernsMode": "UsernsMode",
    "pidMode": "PidMode",
    "sysctls": "Sysctls",
    "ipcMode": "IpcMode",
    "groupAdds": "GroupAdd",
    "runtime": "Runtime",
    "storageOpts": "StorageOpt",
    "cgroupParent": "CgroupParent",
    "cgroupnsMode": "CgroupnsMode",
}
_RATES = {
    "deviceReadBps": "BlkioDeviceReadBps",
    "deviceReadIops": "BlkioDeviceReadIOps",
    "deviceWriteBps": "BlkioDeviceWriteBps",
    "deviceWriteIops": "BlkioDeviceWriteIOps",
}


def create_body(inputs: Props, image: str) -> Props:
    """The request that creates the container from an image."""
    body: Props = {"Image": image, "Labels": label_map(inputs.get("labels"))}
    body.update(_taken(_CONFIG, inputs))
    if inputs.get("healthcheck"):
        body["Healthcheck"] = _healthcheck(inputs["healthcheck"])
    if inputs.get("ports"):
        body["ExposedPorts"] = {_port_name(port): {} for port in inputs["ports"]}
    anonymous = [mount["containerPath"] for mount in inputs.get("volumes", []) if _is_anonymous(mount)]
    if anonymous:
        body["Volumes"] = {path: {} for path in anonymous}
    body["HostConfig"] = _host_config(inputs)
    return body


def update_body(inputs: Mapping[str, Any]) -> Props:
    """The request that changes limits and the restart policy of a running container."""
    return {
        "RestartPolicy": _restart(inputs),
        "CpuShares": inputs.get("cpuShares") or 0,
        "Memory": (inputs.get("memory") or 0) * MEGABYTE,
        "CpusetCpus": inputs.get("cpuSet") or "",
        "MemorySwap": _swap(inputs.get("memorySwap") or 0),
    }


def endpoint_body(identity: str, attachment: Mapping[str, Any]) -> Props:
    """The request that connects the container to a network."""
    endpoint: Props = {
        "Aliases": attachment.get("aliases") or [],
        "IPAMConfig": {
            "IPv4Address": attachment.get("ipv4Address") or "",
            "IPv6Address": attachment.get("ipv6Address") or "",
            "LinkLocalIPs": attachment.get("linkLocalIps") or [],
        },
        "DriverOpts": dict(option.split("=", 1) for option in attachment.get("driverOpts") or []),
    }
    if attachment.get("macAddress"):
        endpoint["MacAddress"] = attachment["macAddress"]
    if attachment.get("gwPriority"):
        endpoint["GwPriority"] = attachment["gwPriority"]
    return {"Container": identity, "EndpointConfig": endpoint}


def _taken(names: Mapping[str, str], inputs: Mapping[str, Any]) -> Props:
    return {theirs: inputs[ours] for ours, theirs in names.items() if inputs.get(ours)}


def _host_config(inputs: Props) -> Props:
    config = _taken(_HOST, inputs)
    config["Init"] = bool(inputs.get("init"))
    config["RestartPolicy"] = _restart(inputs)
    config["LogConfig"] = {"Type": inputs.get("logDriver", ""), "Config": inputs.get("logOpts") or {}}
    config["Mounts"] = [_mount(mount) for mount in inputs.get("mounts", [])]
    config["Binds"] = [_bind(mount) for mount in inputs.get("volumes", []) if _is_bind(mount)]
    config["VolumesFrom"] = [m["fromContainer"] for m in inputs.get("volumes", []) if m.get("fromContainer")]
    config["PortBindings"] = _bindings(inputs.get("ports", []))
    config["ExtraHosts"] = [f"{host['host']}:{host['ip']}" for host in inputs.get("hosts", [])]
    config["Ulimits"] = [{"Name": u["name"], "Soft": u["soft"], "Hard": u["hard"]} for u in inputs.get("ulimits", [])]
    config["Devices"] = [_device(device) for device in inputs.get("devices", [])]
    config["DeviceRequests"] = [_device_request(request) for request in inputs.get("deviceRequests", [])]
    config["Memory"] = (inputs.get("memory") or 0) * MEGABYTE
    config["MemoryReservation"] = (inputs.get("memoryReservation") or 0) * MEGABYTE
    config["MemorySwap"] = _swap(inputs.get("memorySwap") or 0)
    if inputs.get("shmSize"):
        config["ShmSize"] = inputs["shmSize"] * MEGABYTE
    if inputs.get("cpus"):
        config["NanoCpus"] = int(float(inputs["cpus"]) * 1_000_000_000)
    if inputs.get("capabilities"):
        config["CapAdd"] = inputs["capabilities"].get("adds") or []
        config["CapDrop"] = inputs["capabilities"].get("drops") or []
    for ours, theirs in _RATES.items():
        config[theirs] = [{"Path": rate["path"], "Rate": rate["rate"]} for rate in inputs.get(ours, [])]
    return config


def _restart(inputs: Mapping[str, Any]) -> Props:
    return {"Name": inputs.get("restart") or "no", "MaximumRetryCount": inputs.get("maxRetryCount") or 0}


def _swap(megabytes: int) -> int:
    return megabytes * MEGABYTE if megabytes > 0 else megabytes


def _healthcheck(check: Mapping[str, Any]) -> Props:
    body: Props = {"Test": check.get("tests") or [], "Retries": check.get("retries") or 0}
    for ours, theirs in (("interval", "Interval"), ("timeout", "Timeout"), ("startPeriod", "StartPeriod")):
        body[theirs] = parse_duration(check.get(ours) or "0s")
    interval = parse_duration(check.get("startInterval") or "0s")
    if interval:
        body["StartInterval"] = interval
    return body


def _port_name(port: Mapping[str, Any]) -> str:
    return f"{port['internal']}/{port.get('protocol') or 'tcp'}"


def _bindings(ports: Iterable[Mapping[str, Any]]) -> dict[str, list[Props]]:
    bindings: dict[str, list[Props]] = {}
    for port in ports:
        external = str(port["external"]) if port.get("external") else ""
        bindings.setdefault(_port_name(port), []).append({"HostIp": port.get("ip") or "", "HostPort": external})
    return bindings


def _is_bind(mount: Mapping[str, Any]) -> bool:
    return not mount.get("fromContainer") and bool(mount.get("volumeName") or mount.get("hostPath"))


def _is_anonymous(mount: Mapping[str, Any]) -> bool:
    return not mount.get("fromContainer") and not _is_bind(mount)


def _bind(mount: Mapping[str, Any]) -> str:
    mode = "ro" if mount.get("readOnly") else "rw"
    if mount.get("selinuxRelabel"):
        mode += f",{mount['selinuxRelabel']}"
    return f"{mount.get('volumeName') or mount['hostPath']}:{mount['containerPath']}:{mode}"


def _mount(mount: Mapping[str, Any]) -> Props:
    body: Props = {
        "Type": mount["type"],
        "Target": mount["target"],
        "Source": mount.get("source") or "",
        "ReadOnly": bool(mount.get("readOnly")),
    }
    bind, volume, tmpfs = mount.get("bindOptions"), mount.get("volumeOptions"), mount.get("tmpfsOptions")
    if mount["type"] == "bind" and bind:
        body["BindOptions"] = {"Propagation": bind.get("propagation") or ""}
    if mount["type"] == "tmpfs" and tmpfs:
        body["TmpfsOptions"] = {"SizeBytes": tmpfs.get("sizeBytes") or 0, "Mode": tmpfs.get("mode") or 0}
    if mount["type"] == "volume" and volume:
        driver = {"Name": volume.get("driverName") or "", "Options": volume.get("driverOptions") or {}}
        body["VolumeOptions"] = {
            "NoCopy": bool(volume.get("noCopy")),
            "Labels": label_map(volume.get("labels")),
            "DriverConfig": driver,
        }
        if volume.get("subpath"):
            body["VolumeOptions"]["Subpath"] = volume["subpath"]
    return body


def _device(device: Mapping[str, Any]) -> Props:
    path = device["hostPath"]
    return {
        "PathOnHost": path,
        "PathInContainer": device.get("containerPath") or path,
        "CgroupPermissions": device.get("permissions") or "rwm",
    }


def _device_request(request: Mapping[str, Any]) -> Props:
    return {
        "Driver": request.get("driver") or "",
        "Count": request.get("count") or 0,
        "DeviceIDs": request.get("deviceIds") or [],
        "Capabilities": [request.get("capabilities") or []],
        "Options": request.get("options") or {},
    }
