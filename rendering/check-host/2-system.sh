#!/bin/sh
# Part of check-host: the release, systemd, root, and what is not to be installed.
# shellcheck disable=SC1091,SC2154
set -eu

check_system() {
    system=unknown
    # shellcheck disable=SC1091
    [ ! -r /etc/os-release ] || system=$(. /etc/os-release && echo "$ID ${VERSION_ID:-newer}")
    known_systems='Debian 12 and 13, Ubuntu 22.04 and 24.04'
    case $system in
        'debian 12' | 'debian 13' | 'ubuntu 22.04' | 'ubuntu 24.04') ;;
        *)
            if is_newer "$system"; then
                echo "host: found $system, newer than $known_systems; it was not tried and is expected to work" >&2
            else
                fault "found $system; supported are $known_systems"
            fi ;;
    esac
    [ -d /run/systemd/system ] || fault "systemd does not run here; it starts Docker and the timers"
    [ "$(id -u)" -eq 0 ] || fault "the commands run as $(id -un), not as root; set host.sudo to true"
}
# Debian's next release has no number before it is out.
is_newer() {
    case $1 in
        'debian newer') ;;
        'debian '*) dpkg --compare-versions "${1#* }" gt 13 ;;
        'ubuntu '*) dpkg --compare-versions "${1#* }" gt 22.04 ;;
        *) return 1 ;;
    esac
}

check_tools() {
    [ "$install" = no ] || return 0
    command -v docker >/dev/null || lacks "Docker's command line (docker)"
    command -v dockerd >/dev/null || lacks "Docker's daemon (dockerd)"
    command -v openssl >/dev/null || lacks openssl
    python3 -c 'import json' 2>/dev/null || lacks "Python with its modules (python3)"
}
lacks() { fault "$1 is missing and host.installPackages is false; install it, or allow it"; }
