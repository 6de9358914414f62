"""For each rule resources that violate it, and like ones that don't."""

from __future__ import annotations

from typing import Any

from policies.rules import CONTAINER, IMAGE, VOLUME

COMMAND = "command:remote:Command"
DIGEST = "sha256:" + "ab" * 32
LOGS = {"logDriver": "json-file", "logOpts": {"max-size": "10m", "max-file": "3"}}
PUT_SITE = "put-files --for nginx-files-configuration@ssh"
SITE_HEAD = "== /var/opt/nginx/etc/conf.d/registry.conf 99 0600 root:root\n"

STORE = "== /var/opt/docker-registry/etc/config.yml 9 0600 root:root\nstorage:\n  s3:\n"

Example = tuple[str, dict[str, Any]]


def _container(**inputs: Any) -> Example:  # noqa: ANN401
    return CONTAINER, {"name": "registry", **LOGS, **inputs}


def _command(**inputs: Any) -> Example:  # noqa: ANN401
    return COMMAND, {"create": "true", **inputs}


def _volume(**options: str) -> Example:
    return VOLUME, {"name": "registry-data", "driverOpts": options}


def _image(name: str) -> Example:
    return IMAGE, {"name": name}


def _site(text: str) -> Example:
    return _command(create=PUT_SITE, stdin=f"{SITE_HEAD}server {{\n    listen 443 ssl;\n{text}}}\n")


VIOLATING: dict[str, list[Example]] = {
    "data-retained": [
        _volume(),
        _volume(type="none", o="bind"),
        _volume(type="nfs", o="addr=nas", device=":/data"),
        _command(delete="rm -rf /srv/cache"),
        _command(delete="sh -c 'rm -f /var/opt/nginx/etc/auth/registry.htpasswd'"),
        _command(delete="true && docker volume rm registry-data"),
        _command(delete="find /var/opt/letsencrypt -delete"),
    ],
    "images-pinned": [_image("nginx"), _image("nginx:latest"), _image("registry.example.net:5000/nginx")],
    "images-by-digest": [_image("nginx:1.28.0")],
    "proxy-only": [
        _container(ports=[{"internal": 5000, "external": 5000, "ip": "127.0.0.1"}]),
        _container(publishAllPorts=True),
        _container(networkMode="host"),
        _container(name="nginx", networkMode="host"),
    ],
    "confined": [
        _container(privileged=True),
        _container(volumes=[{"hostPath": "/var/run/docker.sock", "containerPath": "/var/run/docker.sock"}]),
        _container(volumes=[{"hostPath": "/run/", "containerPath": "/host"}]),
        _container(volumes=[{"hostPath": "/", "containerPath": "/host"}]),
        _container(mounts=[{"source": "/run/docker.sock", "target": "/d", "type": "bind"}]),
    ],
    "no-plain-secret": [
        _command(create="echo '-----BEGIN EC PRIVATE KEY-----\nabc' > key"),
        _command(update="htpasswd -bm alice --password=hunter2"),
        _command(delete="curl -u x https://example.net/?token=abc"),
        _command(environment={"API_KEY": "abc"}),
        _command(create="echo 'alice:$apr1$/e4lfekL$VmKqyJxKtij.KARJ9tl84/' >> file"),
        _container(envs=["REGISTRY_HTTP_SECRET=signs-the-uploads"]),
        _container(labels=[{"label": "password", "value": "hunter2"}]),
        _container(command=["sh", "-c", "SECRET=abc exec registry"]),
        _container(envs=["AWS_ACCESS_KEY_ID=AKIA0123"]),
    ],
    "tls-floor": [
        _site("    ssl_protocols TLSv1 TLSv1.1 TLSv1.2;\n"),
        _site("    ssl_protocols SSLv3;\n"),
        _site(""),
    ],
    "bounded-logs": [
        (CONTAINER, {"name": "registry"}),
        _container(logOpts={"max-size": "10m", "max-file": "1000"}),
        _container(logOpts={"max-file": "3"}),
        _container(logOpts={"max-size": "much", "max-file": "3"}),
        _container(logOpts={"max-size": "1g"}),
    ],
    "store-tls": [
        _command(stdin=f'{STORE}    regionendpoint: "http://store:9000"\n    secure: false\n'),
        _command(stdin=f"{STORE}    secure: false\n"),
    ],
    "backed-up": [_command(create="sh -s -- /usr/local/lib/docker-registry/prepare-host --install yes")],
}

CONFORMING: dict[str, list[Example]] = {
    "data-retained": [
        _volume(type="none", o="bind", device="/var/opt/docker-registry/data"),
        _command(delete="rm -f /usr/local/lib/docker-registry/put-file; rmdir /usr/local/lib/docker-registry"),
        _command(create="rm -rf /tmp/scratch"),
        _command(),
    ],
    "images-pinned": [
        _image("nginx:1.28.0"),
        _image(f"nginx@{DIGEST}"),
        _image(f"nginx:latest@{DIGEST}"),
        _image("registry.example.net:5000/nginx:1.28.0"),
    ],
    "images-by-digest": [_image(f"nginx:1.28.0@{DIGEST}"), _image(f"nginx@{DIGEST}")],
    "proxy-only": [
        _container(),
        _container(ports=[]),
        _container(name="nginx", ports=[{"internal": 443, "external": 443, "ip": "0.0.0.0"}]),
    ],
    "confined": [
        _container(),
        _container(privileged=False, volumes=[{"hostPath": "/var/opt/nginx/etc/tls", "containerPath": "/etc/tls"}]),
        _container(volumes=[{"volumeName": "registry-data", "containerPath": "/var/lib/registry"}]),
    ],
    "no-plain-secret": [
        _command(create="/usr/local/lib/docker-registry/keep-secret 0 /var/opt/docker-registry/etc/http.secret"),
        _command(create="true", stdin="password=by-standard-input"),
        _command(create="login --password-file=/root/secret --token=/root/token"),
        _container(envs=["TZ=Etc/UTC", "SECRET_FILE=/run/secret", "SHOW_TOKEN=false"]),
        _container(envs=["AWS_SHARED_CREDENTIALS_FILE=/etc/distribution/store-key"]),
        _container(command=["/bin/sh", "-ec", 'REGISTRY_HTTP_SECRET="$(cat /etc/distribution/http.secret)"; exec x']),
    ],
    "tls-floor": [
        _site("    ssl_protocols TLSv1.2 TLSv1.3;\n"),
        _site("    ssl_protocols TLSv1.3;\n"),
        _command(create=PUT_SITE, stdin=f"{SITE_HEAD}server {{ listen 80; }}\n"),
        _command(create="put-file /etc/other.txt", stdin="ssl_protocols SSLv3;\n"),
    ],
    "bounded-logs": [
        _container(),
        _container(logDriver="journald", logOpts={}),
        _container(logOpts={"max-size": "1m"}),
    ],
    "store-tls": [
        _command(stdin=f'{STORE}    regionendpoint: "https://store:9000"\n    secure: true\n'),
        _command(stdin="== /etc/other.yml 9 0600 root:root\n    secure: false\n"),
        _command(),
    ],
    "backed-up": [
        _command(),
        *(
            _command(create=f"sh -s -- /usr/local/lib/docker-registry/prepare-host --backup {what}")
            for what in ("yes", "no")
        ),
    ],
}
