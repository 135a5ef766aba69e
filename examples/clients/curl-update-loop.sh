#!/bin/sh
# Adds 1 to a number in a file, TIMES times, while others may do the same: read, change, save if it is still what was
# read; and when it is not, from the beginning. No count is lost.
#
#   curl-update-loop.sh [URL [TIMES]]
set -eu
url=${1:-${IFMATCH_URL:-http://127.0.0.1:8080}}
times=${2:-10}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

add_one() {
    while :; do
        curl -sS --fail --etag-save tag -o number "$url/counter.txt"
        echo $(($(cat number) + 1)) >next
        code=$(curl -sS -o answer -w '%{http_code}' -T next -H "If-Match: $(cat tag)" "$url/counter.txt")
        case $code in
        204) return ;;
        412) continue ;; # somebody else was faster: read again
        *) cat answer >&2 && exit 1 ;;
        esac
    done
}

done=0
while [ "$done" -lt "$times" ]; do
    add_one
    done=$((done + 1))
done
echo "added $times"
