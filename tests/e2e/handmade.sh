#!/bin/sh
# Sets up a registry by hand, as one did in 2021, with that time's values.
#
#   handmade.sh FQDN ACME-DIRECTORY NGINX REGISTRY UI CERTBOT
#
# Accounts as NAME:PASSWORD on standard input; the ACME server's CA is in /root/acme-ca.pem.
set -eu
fqdn=$1 directory=$2 nginx=$3 registry=$4 ui=$5 certbot=$6
opt=/var/opt

mkdir -p $opt/docker-registry/data $opt/docker-registry/logs $opt/docker-registry-ui/logs
chown -R root:root $opt/docker-registry $opt/docker-registry-ui
chmod -R go-rwx $opt/docker-registry $opt/docker-registry-ui
mkdir -p $opt/letsencrypt $opt/certbot/nginx/etc/conf.d $opt/certbot/logs $opt/certbot/webroot/.well-known/acme-challenge
chown -R 101:root $opt/certbot
chmod -R o-rwx $opt/letsencrypt $opt/certbot
# The quick kind: finding a safe prime takes minutes, and nothing here depends on it.
openssl dhparam -dsaparam -out $opt/letsencrypt/dhparam-2048.pem 2048 2>/dev/null
mkdir -p $opt/nginx/etc/auth $opt/nginx/etc/conf.d $opt/nginx/logs

# --- the first certificate -------------------------------------------------------------------------------------------
cat >$opt/certbot/nginx/etc/conf.d/default.conf <<END
server {
    listen 80;
    location ^~ /.well-known/acme-challenge/ { root /var/www/letsencrypt; }
}
END
docker run -d --rm --name certbot-nginx -p 80:80 -v $opt/certbot/nginx/etc/conf.d:/etc/nginx/conf.d:ro \
    -v $opt/certbot/webroot:/var/www/letsencrypt:ro "$nginx"
for _ in 1 2 3 4 5 6 7 8 9 10; do docker exec certbot-nginx test -s /run/nginx.pid && break; sleep 0.5; done
docker run --rm -v $opt/letsencrypt:/etc/letsencrypt -v $opt/certbot/webroot:/var/www/letsencrypt \
    -v /root/acme-ca.pem:/acme-ca.pem:ro -e REQUESTS_CA_BUNDLE=/acme-ca.pem "$certbot" certonly --webroot \
    --noninteractive --agree-tos --no-eff-email --register-unsafely-without-email --server "$directory" --key-type rsa \
    -w /var/www/letsencrypt -d "$fqdn" >>$opt/certbot/logs/docker-output-certbot.log 2>&1
docker stop certbot-nginx
# What certbot wrote before 2.0 has no word of the type.
sed -i '/^key_type/d' "$opt/letsencrypt/renewal/$fqdn.conf"

# --- accounts and proxy ----------------------------------------------------------------------------------------------
: >$opt/nginx/etc/auth/registry.htpasswd
while IFS=: read -r name password; do
    printf '%s' "$password" | htpasswd -im $opt/nginx/etc/auth/registry.htpasswd "$name"
done
cat >$opt/nginx/etc/conf.d/docker-registry.conf <<END
upstream docker-registry { server registry:5000; }
map \$upstream_http_docker_distribution_api_version \$docker_distribution_api_version { '' 'registry/2.0'; }
server {
    listen 80 default_server;
    server_name $fqdn;
    location ^~ /.well-known/acme-challenge/ { root /var/www/letsencrypt; }
    location / { return 307 https://\$host\$request_uri; }
}
server {
    listen 443 ssl http2 default_server;
    server_name $fqdn;
    ssl_certificate /etc/letsencrypt/live/$fqdn/fullchain.pem;
    ssl_certificate_key /etc/letsencrypt/live/$fqdn/privkey.pem;
    ssl_dhparam /etc/letsencrypt/dhparam-2048.pem;
    ssl_protocols TLSv1 TLSv1.1 TLSv1.2;
    ssl_ciphers HIGH:!aNULL:!MD5;
    ssl_buffer_size 8k;
    server_tokens off;
    client_max_body_size 0;
    chunked_transfer_encoding on;
    location /v2/ {
        if (\$http_user_agent ~ "^(docker/1\\.(3|4|5(?!\\.[0-9]-dev))|Go ).*\$") { return 404; }
        auth_basic "Registry realm";
        auth_basic_user_file /etc/nginx/auth/registry.htpasswd;
        add_header Docker-Distribution-Api-Version \$docker_distribution_api_version always;
        proxy_pass http://docker-registry;
        proxy_set_header Host \$http_host;
        proxy_set_header X-Real-IP \$remote_addr;
        proxy_set_header X-Forwarded-For \$proxy_add_x_forwarded_for;
        proxy_set_header X-Forwarded-Proto \$scheme;
        proxy_read_timeout 900;
        proxy_connect_timeout 3s;
        proxy_redirect off;
    }
    location /ui/ { proxy_pass http://registry-ui:80/; }
    location = / { return 307 https://\$host//ui/; }
}
END

# --- containers, as docker-compose makes and labels them ---------------------------------------------------------------
docker network create --subnet 100.127.255.0/24 registry
label='--label com.docker.compose.project=docker-registry --label com.docker.compose.project.working_dir=/opt/docker-registry'
# shellcheck disable=SC2086
docker run -d --name registry --network registry --restart always $label -e REGISTRY_STORAGE_DELETE_ENABLED=true \
    -e TZ=/etc/localtime -v $opt/docker-registry/data:/var/lib/registry -v $opt/docker-registry/logs:/var/log "$registry"
# shellcheck disable=SC2086
docker run -d --name registry-ui --network registry --restart always $label -e SINGLE_REGISTRY=true \
    -e REGISTRY_TITLE="By hand" -e REGISTRY_URL="https://$fqdn" -e DELETE_IMAGES=true "$ui"
# shellcheck disable=SC2086
docker run -d --name nginx --network registry --restart always $label -p 80:80 -p 443:443 \
    -v $opt/nginx/etc/conf.d:/etc/nginx/conf.d:ro -v $opt/nginx/etc/auth:/etc/nginx/auth:ro \
    -v $opt/letsencrypt:/etc/letsencrypt:ro -v $opt/certbot/webroot:/var/www/letsencrypt:ro "$nginx"

# --- what keeps it running -------------------------------------------------------------------------------------------
mkdir -p /opt/docker-registry
cat >/etc/systemd/system/docker-compose-registry.service <<END
[Unit]
Requires=docker.service
After=docker.service
[Service]
Type=oneshot
RemainAfterExit=yes
WorkingDirectory=/opt/docker-registry
ExecStart=/usr/bin/docker start registry registry-ui nginx
ExecStop=/usr/bin/docker stop nginx registry-ui registry
[Install]
WantedBy=multi-user.target
END
systemctl daemon-reload
systemctl enable -q --now docker-compose-registry
cat >/etc/cron.d/docker-registry <<END
0 0 * * 2 root docker run --rm -v $opt/letsencrypt:/etc/letsencrypt -v $opt/certbot/webroot:/var/www/letsencrypt $certbot renew --noninteractive && docker restart nginx
END
crontab - <<END
1 5 * * * docker exec registry bin/registry garbage-collect -m /etc/docker/registry/config.yml
0 3 * * * /usr/local/bin/backup
END
