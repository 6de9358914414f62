#!/bin/sh
# Says whether this host can carry the registry, before anything on it is touched. All faults at once.
# A host that can is claimed for the stack: one host has one stack.
#
#   check-host --stack STACK --subnet CIDR --ports "80 443" --volumes "NAME=DIRECTORY..." --install yes|no --user USER
#       [--adopt NETWORK] [--known]
#
# --user: the login that talks to Docker over SSH
# --adopt: a proxy and a network NETWORK that were set up by hand are no obstacle, as they make way later
# --known: the stack has been here before, so its claim must be here too
# Its parts are joined and sent to a host before anything of ours is there, Python neither.
# shellcheck disable=SC2034
set -eu
known=no
adopt=''
while [ $# -gt 0 ]; do
    case $1 in
        --known) known=yes; shift; continue ;;
        --stack) stack=$2 ;;
        --subnet) subnet=$2 ;;
        --ports) ports=$2 ;;
        --volumes) volumes=$2 ;;
        --install) install=$2 ;;
        --user) user=$2 ;;
        --adopt) adopt=$2 ;;
        *) echo "check-host: unknown option $1" >&2; exit 2 ;;
    esac
    shift 2
done
faults=0
fault() { echo "host: $*" >&2; faults=$((faults + 1)); }
