#!/bin/sh
# Tells facts about a host and changes none. It comes by standard input, with the questions as calls at its end, so that
# it trusts no tool of ours that lies on the host. Each answer is a line of fields, with a tab between them; the first is
# the question's number. Names and contents, which can be anything, are in base64.
set -eu
export LC_ALL=C

kind() {
    if [ -L "$1" ]; then echo link
    elif [ -f "$1" ]; then echo file
    elif [ -d "$1" ]; then echo directory
    elif [ -e "$1" ]; then echo special
    else echo missing
    fi
}
about() { stat "$@" --printf '%a\t%U:%G\t%u:%g'; }

# file NUMBER PATH DIGEST SHOW: kind, mode, owner by name and by number, digest; the content, where it is another than
# that of DIGEST and may be shown
file() {
    found=$(kind "$2")
    printf '%s\t%s' "$1" "$found"
    if [ "$found" = file ]; then
        digest=$(sha256sum <"$2" | cut -d ' ' -f 1)
        printf '\t%s\t%s\t' "$(about "$2")" "$digest"
        if [ "$4" = yes ] && [ "$digest" != "$3" ]; then head -c 1000000 "$2" | base64 -w 0; fi
    fi
    echo
}

# followed NUMBER PATH: as file does, of what a link leads to, without its content
followed() {
    if [ -f "$2" ]; then printf '%s\tfile\t%s\t\t\n' "$1" "$(about -L "$2")"; else printf '%s\tmissing\n' "$1"; fi
}

# directory NUMBER PATH: kind, mode, owner by name and by number, names of what is in it
directory() {
    found=$(kind "$2")
    printf '%s\t%s' "$1" "$found"
    if [ "$found" = directory ]; then
        printf '\t%s\t' "$(about "$2")"
        find "$2" -mindepth 1 -maxdepth 1 -printf '%f\0' | base64 -w 0
    fi
    echo
}

# unit NUMBER NAME: whether it is enabled, whether it is active, its drop-in files, whether systemd has read them
unit() {
    enabled=$(systemctl is-enabled "$2" 2>/dev/null) || true
    active=$(systemctl is-active "$2" 2>/dev/null) || true
    more=$(systemctl show --property=DropInPaths --value "$2" 2>/dev/null) || true
    printf '%s\t%s\t%s\t%s\n' "$1" "${enabled:-missing}" "${active:-missing}" "$more"
}

# zone NUMBER: the time zone's file
zone() { printf '%s\t%s\n' "$1" "$(readlink -f /etc/localtime || true)"; }

# docker's own answers; an object that is not there, or a Docker that does not run, is an empty line
ask() {
    number=$1
    shift
    answer=$(docker "$@" 2>/dev/null) || answer=''
    printf '%s\t%s\n' "$number" "$answer"
}
container() {
    # shellcheck disable=SC2016 # the variables are the template's own
    ask "$1" container inspect --format \
        '{{.Id}}	{{.Image}}	{{.State.Running}}	{{.HostConfig.RestartPolicy.Name}}	{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}' "$2"
}
network() {
    # shellcheck disable=SC2016
    ask "$1" network inspect --format '{{range .IPAM.Config}}{{.Subnet}} {{end}}	{{range .Containers}}{{.Name}} {{end}}' "$2"
}
volume() { ask "$1" volume inspect --format '{{.Options.device}}' "$2"; }
# owned NUMBER STACK: the containers, networks and volumes with the stack's label, as kind/name
owned() {
    label=label=docker-registry.stack=$2
    {
        docker ps --all --filter "$label" --format 'container/{{.Names}}'
        docker network ls --filter "$label" --format 'network/{{.Name}}'
        docker volume ls --filter "$label" --format 'volume/{{.Name}}'
    } 2>/dev/null | tr '\n' ' ' | { printf '%s\t' "$1"; cat; echo; }
}
