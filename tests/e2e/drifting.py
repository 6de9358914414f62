"""Ways in which a host comes to differ from what its stack declares."""

from dataclasses import dataclass

TLS = "/var/opt/nginx/etc/tls/self-signed"
TIMER = "docker-registry-certificate.timer"
ROGUE = '/var/opt/nginx/etc/conf.d/it\'s a "rogue" $(id).conf'


@dataclass(frozen=True)
class Kind:
    """A kind of drift: what is done by hand, and the line that names it."""

    by_hand: str
    named: str


FILES = {
    "content": Kind(
        "echo '# by hand' >>/var/opt/nginx/etc/conf.d/registry.conf",
        "/var/opt/nginx/etc/conf.d/registry.conf: has another content",
    ),
    "secret content": Kind(
        "echo 'mallory:$apr1$/e4lfekL$VmKqyJxKtij.KARJ9tl84/' >>/var/opt/nginx/etc/auth/registry.htpasswd",
        "/var/opt/nginx/etc/auth/registry.htpasswd: has another content",
    ),
    "a tool removed": Kind(
        "rm /usr/local/lib/docker-registry/put-file", "/usr/local/lib/docker-registry/put-file: is missing"
    ),
    "mode of a file": Kind(
        "chmod 777 /usr/local/bin/registry-status", "/usr/local/bin/registry-status: has mode 777, not 755"
    ),
    "owner of a file": Kind(
        "chown deploy /etc/docker-registry/host.json",
        "/etc/docker-registry/host.json: belongs to deploy:root, not to root:root",
    ),
    "a link for a file": Kind(
        "mv /var/opt/docker-registry/etc/config.yml /root/ && ln -s /root/config.yml /var/opt/docker-registry/etc/",
        "/var/opt/docker-registry/etc/config.yml: is no file but a link",
    ),
    "mode of a directory": Kind("chmod 755 /var/opt/nginx/etc/auth", "/var/opt/nginx/etc/auth: has mode 755, not 700"),
    "owner of a directory": Kind(
        "chown 1000:1000 /var/opt/docker-registry/logs",
        "/var/opt/docker-registry/logs: belongs to deploy:deploy, not to root:root",
    ),
    "a directory removed": Kind(
        "rm -r /var/opt/certbot/webroot/.well-known/acme-challenge",
        "/var/opt/certbot/webroot/.well-known/acme-challenge: is missing",
    ),
    "a mounted directory removed": Kind("rm -r /var/opt/nginx/logs", "/var/opt/nginx/logs: is missing"),
    "an unknown site": Kind(
        f"cat >'{ROGUE.replace(chr(39), chr(39) + chr(92) + chr(39) * 2)}' </dev/null", f"{ROGUE}: is unknown"
    ),
    "an unknown tool": Kind(
        "touch /usr/local/lib/docker-registry/left-over", "/usr/local/lib/docker-registry/left-over: is unknown"
    ),
    "an unknown directory": Kind("mkdir /var/opt/nginx/etc/more", "/var/opt/nginx/etc/more: is unknown"),
    "a timer disabled": Kind(f"systemctl disable {TIMER}", f"{TIMER}: is disabled, not enabled"),
    "a timer stopped": Kind(f"systemctl stop {TIMER}", f"{TIMER}: is inactive, not active"),
    "a timer changed": Kind(
        f"mkdir -p /etc/systemd/system/{TIMER}.d && printf '[Timer]\\nOnCalendar=yearly\\n' "
        f">/etc/systemd/system/{TIMER}.d/rarely.conf && systemctl daemon-reload",
        f"/etc/systemd/system/{TIMER}.d/rarely.conf: changes {TIMER} and is unknown",
    ),
    "Docker not at boot": Kind("systemctl disable docker.service", "docker.service: is disabled, not enabled"),
    "time zone": Kind("ln -sf /usr/share/zoneinfo/Asia/Tokyo /etc/localtime", "time zone: is Asia/Tokyo, not Etc/UTC"),
    "a secret removed": Kind(
        "rm /var/opt/docker-registry/etc/http.secret", "/var/opt/docker-registry/etc/http.secret: is missing"
    ),
    "the certificate removed": Kind(f"rm {TLS}/current", f"{TLS}/current/fullchain.pem: is missing"),
    "the key readable": Kind(
        f"chmod 644 {TLS}/*/privkey.pem",
        f"{TLS}/current/privkey.pem: has mode 644, not 600",
    ),
    "a restart policy": Kind(
        "docker update --restart no registry", "container registry: has restart policy no, not unless-stopped"
    ),
    "a container out of its network": Kind(
        "docker network disconnect registry registry-ui",
        "container registry-ui: is in the networks (none), not in registry",
    ),
}
"""All at once."""

CONTAINERS = {
    "a container removed": Kind("docker rm -f registry-ui", "container registry-ui: is missing"),
    "a volume removed": Kind("docker volume rm registry-ui-logs", "volume registry-ui-logs: is missing"),
    "another container": Kind(
        "label=$(docker inspect --format '{{index .Config.Labels \"docker-registry.stack\"}}' nginx) && "
        "image=$(docker inspect --format '{{.Image}}' nginx) && docker rm -f nginx && "
        'docker run -d --name nginx --label "docker-registry.stack=$label" --entrypoint sleep "$image" 3600',
        "container nginx: is another one than the stack made",
    ),
    "a container stopped": Kind("docker stop registry", "container registry: does not run"),
    "a network removed": Kind("docker network rm registry", "network registry: is missing"),
}
"""After the others are mended, in this order."""
