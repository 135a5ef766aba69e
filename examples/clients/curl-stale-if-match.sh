#!/bin/sh
# Names a version in If-Match that is not there any more. Whatever the method, the answer is 412, and nothing happens.
set -eu
url=${1:-${IFMATCH_URL:-http://127.0.0.1:8080}}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

stale='"yesterday"'
echo 'what is there now' | curl -sS -o answer -T - "$url/agenda.txt"

printf 'GET '
curl -sS -o answer -w '%{http_code}\n' -H "If-Match: $stale" "$url/agenda.txt"
printf 'HEAD '
curl -sS -o answer -w '%{http_code}\n' -I -H "If-Match: $stale" "$url/agenda.txt"
printf 'PUT '
echo mine | curl -sS -o answer -w '%{http_code}\n' -T - -H "If-Match: $stale" "$url/agenda.txt"
printf 'DELETE '
curl -sS -o answer -w '%{http_code}\n' -X DELETE -H "If-Match: $stale" "$url/agenda.txt"

# The answer to a PUT or DELETE says which field failed, and what is there now.
printf 'failed: %s\n' "$(sed 's/.*"failed-field":"\([^"]*\)".*/\1/' answer)"
curl -sS "$url/agenda.txt"
