#!/bin/sh
# Creates a file, but only if there is none: of several who try, one succeeds.
set -eu
url=${1:-${IFMATCH_URL:-http://127.0.0.1:8080}}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

curl -sS -o answer -X DELETE "$url/claim.txt"

for name in Ann Ben Cem; do
    printf '%s: ' "$name"
    echo "claimed by $name" |
        curl -sS -o answer -w '%{http_code}\n' -T - -H 'If-None-Match: *' "$url/claim.txt"
done
curl -sS "$url/claim.txt"
