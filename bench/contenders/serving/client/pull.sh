#!/bin/sh
# Pulls an image several times at once, and prints the nanoseconds.
#
#   pull.sh FOLDER-OF-THE-CA AUTHFILE IMAGE COUNT
set -eu
folder=$(mktemp -d)
started=$(date +%s%N)
processes=
for number in $(seq "$4"); do
    skopeo copy --quiet --src-cert-dir "$1" --src-authfile "$2" "docker://$3" "dir:$folder/$number" &
    processes="$processes $!"
done
for process in $processes; do wait "$process"; done
echo $(($(date +%s%N) - started))
rm -rf "$folder"
