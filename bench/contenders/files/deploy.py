"""Sets up a private Docker registry: nginx with TLS and accounts before Distribution and its page."""

from io import StringIO

from pyinfra import host
from pyinfra.facts.files import Link
from pyinfra.operations import docker, files, server, systemd

opt = "/var/opt"
fqdn = host.data.fqdn

for path in (
    *("docker-registry", "docker-registry/data", "docker-registry/logs"),
    *("docker-registry-ui", "docker-registry-ui/logs"),
    *("nginx", "nginx/etc", "nginx/etc/conf.d", "nginx/logs"),
):
    files.directory(name=f"Directory {path}", path=f"{opt}/{path}", user="root", group="root", mode="700")
files.directory(name="Directory nginx/etc/auth", path=f"{opt}/nginx/etc/auth", user="root", group="root", mode="755")

files.directory(name="Directory letsencrypt", path=f"{opt}/letsencrypt", user="root", group="root", mode="750")
for path in (
    *("certbot", "certbot/nginx", "certbot/nginx/etc", "certbot/nginx/etc/conf.d", "certbot/logs"),
    *("certbot/webroot", "certbot/webroot/.well-known", "certbot/webroot/.well-known/acme-challenge"),
):
    # The uid of nginx in its image.
    files.directory(name=f"Directory {path}", path=f"{opt}/{path}", user="101", group="root", mode="750")

files.put(
    name="The authority of the ACME server",
    src=StringIO(f"{host.data.acme_ca}\n"),
    dest=f"{opt}/letsencrypt/server-ca.pem",
    mode="644",
)
files.put(
    name="The site of the throw-away proxy",
    src="acme.conf",
    dest=f"{opt}/certbot/nginx/etc/conf.d/acme.conf",
    mode="644",
)
# What is in live/ are links to the latest in archive/.
if not host.get_fact(Link, path=f"{opt}/letsencrypt/live/{fqdn}/fullchain.pem"):
    server.shell(
        name="The first certificate",
        commands=[
            f"docker run -d --rm --name certbot-nginx -p 80:80 -v {opt}/certbot/nginx/etc/conf.d:/etc/nginx/conf.d:ro "
            f"-v {opt}/certbot/webroot:/var/www/letsencrypt:ro {host.data.nginx_image}",
            f"docker run --rm -v {opt}/letsencrypt:/etc/letsencrypt -v {opt}/certbot/webroot:/var/www/letsencrypt "
            f"-e REQUESTS_CA_BUNDLE=/etc/letsencrypt/server-ca.pem {host.data.certbot_image} "
            "certonly --webroot --noninteractive --agree-tos --no-eff-email --register-unsafely-without-email "
            f"--server {host.data.acme_server} -w /var/www/letsencrypt -d {fqdn} "
            f">>{opt}/certbot/logs/docker-output-certbot.log 2>&1",
            "docker stop certbot-nginx",
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
files.template(
    name="Renewing and cleaning up",
    src="docker-registry.cron.j2",
    dest="/etc/cron.d/docker-registry",
    mode="644",
    certbot_image=host.data.certbot_image,
)

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
        f"{opt}/letsencrypt:/etc/letsencrypt:ro",
        f"{opt}/certbot/webroot:/var/www/letsencrypt:ro",
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
