#!/bin/sh
# Part of check-host: whether the subnet is free.
# shellcheck disable=SC2154
set -eu

# Dotted address to number, for comparing ranges.
number() { echo "$1" | awk -F. '{ print (($1 * 256 + $2) * 256 + $3) * 256 + $4 }'; }
overlap() {
    awk -v a="$(number "${1%/*}")" -v an="${1#*/}" -v b="$(number "${2%/*}")" -v bn="${2#*/}" \
        'BEGIN { n = an < bn ? an : bn; size = 2 ^ (32 - n); exit !(int(a / size) == int(b / size)) }'
}
# Bridges of a Docker that ended while it made our network, without a network or members. Making it removes them.
left_over() {
    networks=$(docker network ls --quiet 2>/dev/null) || return 0
    for bridge in $(ip -o link show type bridge | sed -n 's/^[0-9]*: \(br-[0-9a-f]\{12\}\): .*/\1/p'); do
        if echo "$networks" | grep -qx "${bridge#br-}"; then continue; fi
        [ -n "$(ip -4 route show exact "$subnet" dev "$bridge")" ] || continue
        [ -n "$(ip -o link show master "$bridge")" ] || echo "$bridge"
    done | tr '\n' ' '
}
check_subnet() {
    command -v ip >/dev/null || return 0
    # Ours under any name: a network that only changes its name has its subnet already.
    ours=' '
    if command -v docker >/dev/null; then
        ours=" $(docker network ls --filter label=docker-registry.stack="$stack" --format 'br-{{.ID}}' 2>/dev/null | tr '\n' ' ')"
        ours="$ours$(left_over) "
        [ -z "$adopt" ] || ours="$ours$(docker network inspect --format 'br-{{slice .ID 0 12}}' "$adopt" 2>/dev/null) "
    fi
    ip -4 -o route show | while read -r destination rest; do
        case $destination in
            default | unreachable | blackhole) continue ;;
            */*) ;;
            *) destination=$destination/32 ;;
        esac
        device=$(echo "$rest" | sed -n 's/^dev \([^ ]*\).*/\1/p; s/.* dev \([^ ]*\).*/\1/p' | head -n 1)
        case $ours in *" $device "*) continue ;; esac
        if overlap "$destination" "$subnet"; then echo "$destination (${rest%% proto*})"; fi
    done
}
