#!/bin/sh
# Runs the scripts of /docker-entrypoint.d before nginx, as the official image does.
set -e
if [ "$1" = nginx ] || [ "$1" = nginx-debug ]; then
    for script in /docker-entrypoint.d/*; do
        case "$script" in
            *.envsh) if [ -x "$script" ]; then . "$script"; fi ;;
            *.sh) if [ -x "$script" ]; then "$script"; fi ;;
        esac
    done
fi
exec "$@"
