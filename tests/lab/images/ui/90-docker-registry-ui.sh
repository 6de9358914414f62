#!/bin/sh
# Writes the settings into the page, in place and at each start, as the image this one stands for does.
set -e
escape() { printf '%s' "$1" | sed -e 's/&/\&amp;/g' -e 's/"/\&quot;/g' -e 's/</\&lt;/g' -e 's/[&\\|]/\\&/g'; }
for name in SINGLE_REGISTRY REGISTRY_URL REGISTRY_TITLE PULL_URL DELETE_IMAGES CATALOG_ELEMENTS_LIMIT \
    SHOW_CONTENT_DIGEST; do
    eval "value=\${$name-}"
    sed -i "s|\${$name}|$(escape "$value")|g" /usr/share/nginx/html/index.html
done
sed -i 's|server_name  localhost;|server_name  _;|' /etc/nginx/conf.d/default.conf
