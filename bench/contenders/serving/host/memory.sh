#!/bin/sh
# Prints the most that the groups whose memory.stat are named had together, looking twice a second while FLAG exists;
# what is merely cached of files doesn't count.
#
#   memory.sh FLAG MEMORY.STAT…
set -eu
flag=$1
shift
peak=0
while :; do
    sum=0
    for file in "$@"; do
        while read -r key value; do
            case $key in rss | anon | shmem) sum=$((sum + value)) ;; esac
        done <"$file"
    done
    [ "$sum" -le "$peak" ] || peak=$sum
    [ -e "$flag" ] || break
    sleep 0.5
done
echo "$peak"
