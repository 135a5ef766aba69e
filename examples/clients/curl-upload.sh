#!/bin/sh
# Replaces a file, but only the version that was read. Then two people have read the same version, and both save.
set -eu
url=${1:-${IFMATCH_URL:-http://127.0.0.1:8080}}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

echo 'milk' | curl -sS -o answer -T - "$url/list.txt"

# Read, and keep the tag of what was read.
curl -sS --etag-save tag -o list.txt "$url/list.txt"

# Ann adds a line, and so does Ben. Ann is first.
(cat list.txt && echo 'bread') >ann.txt
(cat list.txt && echo 'apples') >ben.txt

printf 'Ann saves: '
curl -sS -o answer -w '%{http_code}\n' -T ann.txt -H "If-Match: $(cat tag)" "$url/list.txt"
printf 'Ben saves: '
curl -sS -o answer -w '%{http_code}\n' -T ben.txt -H "If-Match: $(cat tag)" "$url/list.txt"

# Ben reads again, adds his line to what is there now, and saves that.
curl -sS --etag-save tag -o list.txt "$url/list.txt"
(cat list.txt && echo 'apples') >ben.txt
printf 'Ben reads, and saves again: '
curl -sS -o answer -w '%{http_code}\n' -T ben.txt -H "If-Match: $(cat tag)" "$url/list.txt"

curl -sS "$url/list.txt"
