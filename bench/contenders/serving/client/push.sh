#!/bin/sh
# Uploads a file several times at once, each in one piece into a repository of its own, and prints the nanoseconds.
#
#   push.sh CURL-CONFIG ADDRESS REPOSITORY COUNT FILE DIGEST
set -eu
config=$1 address=$2 repository=$3 count=$4 file=$5 digest=$6

push() {
    location=$(curl -K "$config" -o /dev/null -D - -X POST "$address/v2/$repository-$1/blobs/uploads/" |
        tr -d '\r' | sed -n 's/^[Ll]ocation: //p')
    case $location in /*) location=$address$location ;; esac
    case $location in *\?*) location="$location&digest=$digest" ;; *) location="$location?digest=$digest" ;; esac
    # Docker doesn't wait for a permission to send either.
    curl -K "$config" -o /dev/null -T "$file" -H Expect: -H 'Content-Type: application/octet-stream' "$location"
}

started=$(date +%s%N)
processes=
for number in $(seq "$count"); do
    push "$number" &
    processes="$processes $!"
done
for process in $processes; do wait "$process"; done
echo $(($(date +%s%N) - started))
