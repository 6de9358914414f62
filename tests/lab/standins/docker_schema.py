"""The resources of the Docker provider."""

from tests.lab.standins.gotext import DURATION
from tests.lab.standins.schema import Fields, block, blocks, flag, mapping, number, text, texts

RESTART = r"no|on-failure|always|unless-stopped"
_LABEL: Fields = {"label": text(required=True), "value": text(required=True)}
_RATE: Fields = {"path": text(required=True), "rate": number(required=True)}

HEALTHCHECK: Fields = {
    "tests": texts("list"),
    "interval": text(default="0s", pattern=DURATION),
    "timeout": text(default="0s", pattern=DURATION),
    "startPeriod": text(default="0s", pattern=DURATION),
    "startInterval": text(default="0s", pattern=DURATION),
    "retries": number(),
}
PORT: Fields = {
    "internal": number(required=True),
    "external": number(computed=True),
    "ip": text(default="0.0.0.0"),
    "protocol": text(default="tcp"),
}
MOUNT: Fields = {
    "target": text(required=True),
    "type": text(required=True, pattern=r"bind|volume|tmpfs"),
    "source": text(),
    "readOnly": flag(),
    "bindOptions": block({"propagation": text()}),
    "tmpfsOptions": block({"mode": number(), "sizeBytes": number()}),
    "volumeOptions": block(
        {
            "driverName": text(),
            "driverOptions": mapping(),
            "labels": blocks(_LABEL),
            "noCopy": flag(),
            "subpath": text(),
        }
    ),
}
VOLUME_MOUNT: Fields = {
    "containerPath": text(),
    "fromContainer": text(),
    "hostPath": text(pattern=r"/.*"),
    "readOnly": flag(),
    "selinuxRelabel": text(),
    "volumeName": text(),
}
ATTACHMENT: Fields = {
    "name": text(required=True),
    "aliases": texts(),
    "driverOpts": texts(),
    "gwPriority": number(),
    "ipv4Address": text(),
    "ipv6Address": text(),
    "linkLocalIps": texts(),
    "macAddress": text(),
}
UPLOAD: Fields = {
    "file": text(required=True),
    "content": text(),
    "contentBase64": text(),
    "executable": flag(),
    "group": text(),
    "owner": text(),
    "permissions": text(pattern=r"0[0-7]{3}"),
    "source": text(),
    "sourceHash": text(),
}
DEVICE_REQUEST: Fields = {
    "capabilities": texts(),
    "count": number(),
    "deviceIds": texts(),
    "driver": text(),
    "options": mapping(),
}

CONTAINER: Fields = {
    "attach": flag(missing=False),
    "bridge": text(output=True),
    "capabilities": block({"adds": texts(), "drops": texts()}, replace=True),
    "cgroupParent": text(replace=True),
    "cgroupnsMode": text(replace=True),
    "command": texts("list", replace=True, computed=True),
    "containerLogs": text(output=True),
    "containerReadRefreshTimeoutMilliseconds": number(default=15000),
    "cpuPeriod": number(),
    "cpuQuota": number(),
    "cpuSet": text(pattern=r"\d+([,-]\d+)*"),
    "cpuShares": number(),
    "cpus": text(replace=True),
    "destroyGraceSeconds": number(),
    "deviceReadBps": blocks(_RATE, replace=True),
    "deviceReadIops": blocks(_RATE, replace=True),
    "deviceRequests": blocks(DEVICE_REQUEST, replace=True),
    "deviceWriteBps": blocks(_RATE, replace=True),
    "deviceWriteIops": blocks(_RATE, replace=True),
    "devices": blocks({"hostPath": text(required=True), "containerPath": text(), "permissions": text()}, replace=True),
    "dns": texts(replace=True),
    "dnsOpts": texts(replace=True),
    "dnsSearches": texts(replace=True),
    "domainname": text(replace=True),
    "entrypoints": texts("list", replace=True, computed=True),
    "envs": texts(replace=True, computed=True, missing=[]),
    "exitCode": number(output=True),
    "gpus": text(output=True),  # never an input here
    "groupAdds": texts(replace=True),
    "healthcheck": block(HEALTHCHECK, computed=True),
    "hostname": text(replace=True, computed=True),
    "hosts": blocks({"host": text(required=True), "ip": text(required=True)}, replace=True),
    "image": text(required=True, replace=True),
    "init": flag(computed=True),
    "ipcMode": text(replace=True, computed=True),
    "labels": blocks(_LABEL, replace=True, computed=True),
    "logDriver": text(replace=True, computed=True),
    "logOpts": mapping(replace=True),
    "logs": flag(missing=False),
    "maxRetryCount": number(),
    "memory": number(),
    "memoryReservation": number(missing=0),
    "memorySwap": number(),
    "mounts": blocks(MOUNT, replace=True),
    "mustRun": flag(default=True),
    "name": text(replace=True),
    "networkDatas": texts("list", output=True, computed=True),
    "networkMode": text(default="bridge", replace=True),
    "networksAdvanced": blocks(ATTACHMENT, replace=True),
    "pidMode": text(replace=True),
    "platform": text(replace=True, computed=True),
    "ports": blocks(PORT, "list", replace=True),
    "privileged": flag(replace=True),
    "publishAllPorts": flag(replace=True),
    "readOnly": flag(replace=True, missing=False),
    "removeVolumes": flag(default=True),
    "restart": text(default="no", pattern=RESTART),
    "rm": flag(missing=False),
    "runtime": text(replace=True, computed=True),
    "securityOpts": texts(replace=True, computed=True, missing=[]),
    "shmSize": number(replace=True, computed=True),
    "start": flag(default=True),
    "stdinOpen": flag(replace=True, missing=False),
    "stopSignal": text(replace=True, computed=True),
    "stopTimeout": number(replace=True, computed=True),
    "storageOpts": mapping(replace=True),
    "sysctls": mapping(replace=True),
    "tmpfs": mapping(),
    "tty": flag(replace=True, missing=False),
    "ulimits": blocks(
        {"name": text(required=True), "soft": number(required=True), "hard": number(required=True)}, replace=True
    ),
    "uploads": blocks(UPLOAD, replace=True),
    "user": text(replace=True, computed=True, blank_keeps=True),
    "usernsMode": text(replace=True),
    "volumes": blocks(VOLUME_MOUNT, replace=True),
    "wait": flag(missing=False),
    "waitTimeout": number(default=60),
    "workingDir": text(replace=True, computed=True, blank_keeps=True),
}

NETWORK: Fields = {
    "attachable": flag(replace=True),
    "driver": text(replace=True, computed=True),
    "ingress": flag(replace=True),
    "internal": flag(replace=True, computed=True),
    "ipamConfigs": blocks(
        {"subnet": text(), "ipRange": text(), "gateway": text(), "auxAddress": mapping()},
        replace=True,
        computed=True,
    ),
    "ipamDriver": text(default="default", replace=True),
    "ipamOptions": mapping(replace=True, computed=True),
    "ipv6": flag(replace=True),
    "labels": blocks(_LABEL, replace=True),
    "name": text(replace=True),
    "options": mapping(replace=True, computed=True),
    "scope": text(output=True),
}

VOLUME: Fields = {
    "driver": text(replace=True, computed=True),
    "driverOpts": mapping(replace=True),
    "labels": blocks(_LABEL, replace=True),
    "mountpoint": text(output=True),
    "name": text(replace=True, computed=True),
}

REMOTE_IMAGE: Fields = {
    "forceRemove": flag(),
    "imageId": text(output=True),
    "keepLocally": flag(),
    "name": text(required=True, replace=True),
    "platform": text(replace=True),
    "pullTriggers": texts(replace=True),
    "repoDigest": text(output=True),
    "triggers": mapping(replace=True),
}

PROVIDER: Fields = {
    "caMaterial": text(),
    "certMaterial": text(),
    "certPath": text(),
    "context": text(),
    "disableDockerDaemonCheck": text(),
    "host": text(),
    "keyMaterial": text(),
    "registryAuth": text(),
    "sshOpts": text(),
    "version": text(),
}
