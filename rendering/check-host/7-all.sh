#!/bin/sh
# Part of check-host: looks at all, and claims a host that can carry the registry.
# shellcheck disable=SC2154
set -eu

check_system
check_tools
check_docker
check_claim
taken=$(check_subnet)
[ -z "$taken" ] || fault "the subnet $subnet (network.subnet) overlaps a network of the host: $taken"
check_ports
check_volumes
if [ "$faults" -gt 0 ]; then
    echo "host: nothing was touched" >&2
    exit 1
fi
umask 077
mkdir -p "${claim%/*}"
printf '%s\n' "$stack" >"$claim.new"
mv -f "$claim.new" "$claim"
