#!/bin/sh
# Makes and pushes an image of several layers, each a file of random bytes: from LEAST bytes, STEP more each time. Prints the
# nanoseconds of the push.
#
#   layers.sh IMAGE COUNT LEAST STEP
set -eu
image=$1 count=$2 least=$3 step=$4
folder=$(mktemp -d)
cd "$folder"
files=
for number in $(seq "$count"); do
    head -c $((least + number * step)) /dev/urandom >"file$number"
    tar -cf "$number.tar" "file$number"
    rm "file$number"
    gzip -1 "$number.tar"
    files="$files -f $number.tar.gz"
done
started=$(date +%s%N)
# Each is a word of its own.
# shellcheck disable=SC2086
SSL_CERT_FILE=/root/registry-ca.pem crane append $files -t "$image" >/dev/null
echo $(($(date +%s%N) - started))
rm -rf "$folder"
