#!/bin/sh
# Part of check-host: the stack that has this host, and where volumes of its names lie.
# shellcheck disable=SC2034,SC2154
set -eu

claim=/var/lib/docker-registry/stack
check_claim() {
    if [ ! -e "$claim" ]; then
        [ "$known" = no ] || fault "the stack was never on this host. Another host is another stack;" \
            "for the same host set up anew, run pulumi state delete --all first"
    elif [ "$(cat "$claim")" != "$stack" ]; then
        fault "the stack $(cat "$claim") has this host already, and one host has one stack: destroy that one first." \
            "Is it this one before it was renamed? Then write $stack into $claim"
    fi
}

# prepare-volumes looks again: a Docker that does not run yet says nothing here.
check_volumes() {
    command -v docker >/dev/null || return 0
    for pair in $volumes; do
        name=${pair%%=*} wanted=${pair#*=}
        found=$(docker volume inspect --format '{{or .Options.device .Mountpoint}}' "$name" 2>/dev/null) || continue
        [ "$found" = "$wanted" ] || fault "volume $name exists and lies in $found, not in $wanted;" \
            "if it is this stack's, set storage.root back, and move by docs/moving.md"
    done
}
