"""Sets up a private Docker registry: nginx with TLS and accounts before Distribution and its page."""

from io import StringIO

from pyinfra import host
from pyinfra.facts.files import File
from pyinfra.operations import docker, files, server, systemd

opt = "/var/opt"
tls = f"{opt}/nginx/etc/tls"
fqdn = host.data.fqdn

for path in (
    *("docker-registry", "docker-registry/data", "docker-registry/logs"),
    *("docker-registry-ui", "docker-registry-ui/logs"),
    *("nginx", "nginx/etc", "nginx/etc/conf.d", "nginx/etc/tls", "nginx/logs"),
):
    files.directory(name=f"Directory {path}", path=f"{opt}/{path}", user="root", group="root", mode="700")
files.directory(name="Directory nginx/etc/auth", path=f"{opt}/nginx/etc/auth", user="root", group="root", mode="755")

if not host.get_fact(File, path=f"{tls}/fullchain.pem"):
    server.shell(
        name="A self-signed certificate",
        commands=[
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 825 "
            f"-subj /CN={fqdn} -addext subjectAltName=DNS:{fqdn} "
            f"-keyout {tls}/privkey.pem -out {tls}/fullchain.pem"
        ],
    )

files.put(
    name="Accounts",
    src=StringIO(f"{host.data.account}\n"),
    dest=f"{opt}/nginx/etc/auth/registry.htpasswd",
    mode="644",
)
site = files.template(
    name="The proxy's site",
    src="site.conf.j2",
    dest=f"{opt}/nginx/etc/conf.d/docker-registry.conf",
    mode="600",
    fqdn=fqdn,
    read_timeout=host.data.read_timeout,
)
files.put(name="The rotation of the logs", src="docker-opt", dest="/etc/logrotate.d/docker-opt", mode="644")
files.put(name="Cleaning up every night", src="docker-registry.cron", dest="/etc/cron.d/docker-registry", mode="644")

docker.network(name="Network", network="registry", subnet="100.127.255.0/24")
docker.container(
    name="Registry",
    container="registry",
    image=host.data.registry_image,
    restart_policy="always",
    networks=["registry"],
    env_vars=["OTEL_TRACES_EXPORTER=none", "REGISTRY_STORAGE_DELETE_ENABLED=true"],
    volumes=[f"{opt}/docker-registry/data:/var/lib/registry", f"{opt}/docker-registry/logs:/var/log"],
)
docker.container(
    name="The page",
    container="registry-ui",
    image=host.data.ui_image,
    restart_policy="always",
    networks=["registry"],
    env_vars=[
        "DELETE_IMAGES=true",
        "REGISTRY_TITLE=Registry",
        f"REGISTRY_URL=https://{fqdn}",
        "SINGLE_REGISTRY=true",
    ],
    volumes=[f"{opt}/docker-registry-ui/logs:/var/log/nginx"],
)
docker.container(
    name="Proxy",
    container="nginx",
    image=host.data.nginx_image,
    restart_policy="always",
    networks=["registry"],
    ports=["80:80", "443:443"],
    volumes=[
        f"{opt}/nginx/etc/auth:/etc/nginx/auth:ro",
        f"{opt}/nginx/etc/conf.d:/etc/nginx/conf.d:ro",
        f"{opt}/nginx/etc/tls:/etc/nginx/tls:ro",
        f"{opt}/nginx/logs:/var/log/nginx",
    ],
)
server.shell(name="Reload nginx", commands=["docker exec nginx nginx -s reload"], _if=site.did_change)

unit = files.put(
    name="A unit that starts all at boot",
    src="docker-registry.service",
    dest="/etc/systemd/system/docker-registry.service",
    mode="644",
)
systemd.daemon_reload(name="Read the unit", _if=unit.did_change)
systemd.service(name="Start it", service="docker-registry.service", running=True, enabled=True)
