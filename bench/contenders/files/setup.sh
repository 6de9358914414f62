#!/bin/sh
# Sets up a private Docker registry by the how-to's commands; run again, it changes what is not as it should be.
#
# It is read after lines that set these: fqdn account read_timeout acme_server acme_ca nginx_image registry_image
# ui_image certbot_image
set -eu
: "$fqdn" "$account" "$read_timeout" "$acme_server" "$acme_ca"
: "$nginx_image" "$registry_image" "$ui_image" "$certbot_image"
opt=/var/opt

# put PATH MODE: standard input becomes the file, if it is another. Says by its exit code whether it was.
put() {
    cat >"$1.new"
    chmod "$2" "$1.new"
    if cmp -s "$1.new" "$1"; then
        rm -f "$1.new"
        return 1
    fi
    mv -f "$1.new" "$1"
}

directories="$opt/docker-registry $opt/docker-registry/data $opt/docker-registry/logs
    $opt/docker-registry-ui $opt/docker-registry-ui/logs
    $opt/nginx $opt/nginx/etc $opt/nginx/etc/conf.d $opt/nginx/logs"
certbot="$opt/certbot $opt/certbot/nginx $opt/certbot/nginx/etc $opt/certbot/nginx/etc/conf.d $opt/certbot/logs
    $opt/certbot/webroot $opt/certbot/webroot/.well-known $opt/certbot/webroot/.well-known/acme-challenge"
# shellcheck disable=SC2086
mkdir -p $directories $opt/nginx/etc/auth $opt/letsencrypt $certbot
# shellcheck disable=SC2086
chown root:root $directories $opt/nginx/etc/auth $opt/letsencrypt
# The uid of nginx in its image.
# shellcheck disable=SC2086
chown 101:root $certbot
# shellcheck disable=SC2086
chmod 700 $directories
chmod 755 $opt/nginx/etc/auth
# shellcheck disable=SC2086
chmod 750 $opt/letsencrypt $certbot

put $opt/letsencrypt/server-ca.pem 644 <<END || true
$acme_ca
END
put $opt/certbot/nginx/etc/conf.d/acme.conf 644 <<END || true
server {
    listen 80;
    location ^~ /.well-known/acme-challenge/ {
        root /var/www/letsencrypt;
    }
}
END
if [ ! -e "$opt/letsencrypt/live/$fqdn/fullchain.pem" ]; then
    docker run -d --rm --name certbot-nginx -p 80:80 \
        -v $opt/certbot/nginx/etc/conf.d:/etc/nginx/conf.d:ro \
        -v $opt/certbot/webroot:/var/www/letsencrypt:ro "$nginx_image"
    docker run --rm -v $opt/letsencrypt:/etc/letsencrypt -v $opt/certbot/webroot:/var/www/letsencrypt \
        -e REQUESTS_CA_BUNDLE=/etc/letsencrypt/server-ca.pem "$certbot_image" \
        certonly --webroot --noninteractive --agree-tos --no-eff-email --register-unsafely-without-email \
        --server "$acme_server" -w /var/www/letsencrypt -d "$fqdn" \
        >>$opt/certbot/logs/docker-output-certbot.log 2>&1
    docker stop certbot-nginx
fi

put $opt/nginx/etc/auth/registry.htpasswd 644 <<END || true
$account
END
reload=no
put $opt/nginx/etc/conf.d/docker-registry.conf 600 <<END && reload=yes
map \$upstream_http_docker_distribution_api_version \$docker_distribution_api_version {
    '' 'registry/2.0';
}
server {
    listen 80;
    server_name $fqdn;
    location ^~ /.well-known/acme-challenge/ {
        root /var/www/letsencrypt;
    }
    location / {
        return 307 https://\$host\$request_uri;
    }
}
server {
    listen 443 ssl;
    http2 on;
    server_name $fqdn;
    ssl_certificate /etc/letsencrypt/live/$fqdn/fullchain.pem;
    ssl_certificate_key /etc/letsencrypt/live/$fqdn/privkey.pem;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_buffer_size 8k;
    server_tokens off;
    client_max_body_size 0;
    chunked_transfer_encoding on;
    location /v2/ {
        auth_basic "Registry realm";
        auth_basic_user_file /etc/nginx/auth/registry.htpasswd;
        add_header Docker-Distribution-Api-Version \$docker_distribution_api_version always;
        proxy_pass http://registry:5000;
        proxy_set_header Host \$http_host;
        proxy_set_header X-Real-IP \$remote_addr;
        proxy_set_header X-Forwarded-For \$proxy_add_x_forwarded_for;
        proxy_set_header X-Forwarded-Proto \$scheme;
        proxy_connect_timeout 3s;
        proxy_read_timeout $read_timeout;
        proxy_request_buffering off;
        proxy_redirect off;
    }
    location /ui/ {
        auth_basic "Registry realm";
        auth_basic_user_file /etc/nginx/auth/registry.htpasswd;
        proxy_pass http://registry-ui:80/;
    }
    location = / {
        return 307 https://\$host/ui/;
    }
}
END
put /etc/logrotate.d/docker-opt 644 <<END || true
/var/opt/*/logs/*.log {
    size 30M
    missingok
    notifempty
    rotate 5
    compress
    delaycompress
    copytruncate
    su root root
}
END
put /etc/cron.d/docker-registry 644 <<END || true
0 0,12 * * * root docker run --rm -v /var/opt/letsencrypt:/etc/letsencrypt -v /var/opt/certbot/webroot:/var/www/letsencrypt -e REQUESTS_CA_BUNDLE=/etc/letsencrypt/server-ca.pem $certbot_image renew --noninteractive >>/var/opt/certbot/logs/docker-output-certbot.log 2>&1 && docker exec nginx nginx -s reload
1 5 * * * root docker exec registry registry garbage-collect -m /etc/distribution/config.yml
END

there() { docker "$1" inspect "$2" >/dev/null 2>&1; }
there network registry || docker network create --subnet 100.127.255.0/24 registry
there container registry || docker run -d --name registry --network registry --restart always \
    -e OTEL_TRACES_EXPORTER=none -e REGISTRY_STORAGE_DELETE_ENABLED=true \
    -v $opt/docker-registry/data:/var/lib/registry -v $opt/docker-registry/logs:/var/log "$registry_image"
there container registry-ui || docker run -d --name registry-ui --network registry --restart always \
    -e DELETE_IMAGES=true -e REGISTRY_TITLE=Registry -e "REGISTRY_URL=https://$fqdn" -e SINGLE_REGISTRY=true \
    -v $opt/docker-registry-ui/logs:/var/log/nginx "$ui_image"
if there container nginx; then
    [ $reload = no ] || docker exec nginx nginx -s reload
else
    docker run -d --name nginx --network registry --restart always -p 80:80 -p 443:443 \
        -v $opt/nginx/etc/auth:/etc/nginx/auth:ro -v $opt/nginx/etc/conf.d:/etc/nginx/conf.d:ro \
        -v $opt/letsencrypt:/etc/letsencrypt:ro -v $opt/certbot/webroot:/var/www/letsencrypt:ro \
        -v $opt/nginx/logs:/var/log/nginx "$nginx_image"
fi

put /etc/systemd/system/docker-registry.service 644 <<END && systemctl daemon-reload
[Unit]
Description=Private Docker registry
Requires=docker.service
After=docker.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/docker start registry registry-ui nginx
ExecStop=/usr/bin/docker stop nginx registry-ui registry
[Install]
WantedBy=multi-user.target
END
systemctl enable -q --now docker-registry
