#!/bin/sh
# Part of check-host: whether the ports are free.
# shellcheck disable=SC2154
set -eu

# A port is ours when our own proxy publishes it.
check_ports() {
    command -v ss >/dev/null || return 0
    published='' by_hand=''
    if command -v docker >/dev/null; then
        published=$(docker ps --filter label=docker-registry.stack="$stack" --format '{{.Ports}}' 2>/dev/null || true)
        by_hand=$(docker container inspect --format 'x{{index .Config.Labels "docker-registry.stack"}}' nginx 2>/dev/null || true)
        [ "$by_hand" = x ] || by_hand=''
    fi
    for port in $ports; do
        case $published in *":$port->"*) continue ;; esac
        # Docker answers with what the container `nginx` publishes, whoever made it.
        if [ -n "$by_hand" ] && docker port nginx 2>/dev/null | grep -q ":$port\$"; then
            [ -z "$adopt" ] || continue
            fault "port $port is taken by the container nginx, which is no stack's; host.adopt takes it over"
            continue
        fi
        if [ -n "$(ss -Hltn "sport = :$port")" ]; then
            fault "port $port is taken by $(ss -Hltnp "sport = :$port" | sed -n 's/.*users:(("\([^"]*\)".*/\1/p' | head -n 1)"
        fi
    done
}
