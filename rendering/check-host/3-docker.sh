#!/bin/sh
# Part of check-host: what would keep Docker from running, or answer in its place.
# shellcheck disable=SC2034,SC2154
set -eu

check_docker() {
    for unit in docker.service docker.socket containerd.service; do
        case $(systemctl is-enabled "$unit" 2>/dev/null) in
            masked*) fault "$unit is masked; to let Docker run: systemctl unmask $unit" ;;
        esac
    done
    [ ! -e /snap/bin/docker ] || fault "Docker is a snap here, which is kept from the registry's directories;" \
        "remove it: snap remove docker"
    command -v docker >/dev/null || return 0
    if docker --version 2>/dev/null | grep -qi podman; then
        fault "the command docker is podman's here, and the registry needs Docker; remove it: apt-get remove podman-docker"
        volumes='' # Its volumes are not Docker's.
    elif [ "$(id -u)" -eq 0 ]; then
        check_login root
        [ "$user" = root ] || check_login "$user"
    fi
}
# The Docker that a login talks to is another one where it has a rootless one of its own, or another context.
check_login() {
    leads_to=$(runuser -u "$1" -- env HOME="$(getent passwd "$1" | cut -d: -f6)" \
        docker context inspect --format '{{.Endpoints.docker.Host}}' 2>/dev/null) || return 0
    case $leads_to in
        unix:///var/run/docker.sock | unix:///run/docker.sock) ;;
        *) fault "the docker of $1 leads to $leads_to (rootless, or another context), not to the host's own;" \
            "as $1: docker context use default" ;;
    esac
}
