#!/bin/sh
# aria2c fetches a file over four connections, in ranges, and does not ask whether all of them are of the same version.
# With If-Match it does: once the file is another one, every further range is 412. And with the digest that the server
# tells it makes sure that what has come is the file.
set -eu
url=${1:-${IFMATCH_URL:-http://127.0.0.1:8080}}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

fetch() {
    status=0
    aria2c --quiet --max-connection-per-server=4 --split=4 --min-split-size=1M "$@" "$url/large.txt" || status=$?
    echo "exit code $status"
}

seq 1000001 1800000 >large
curl -sS -o answer -T large "$url/large.txt"

# ETag: "..." and Repr-Digest: sha-256=:BASE64: (RFC 9530). aria2c wants hexadecimal digits.
curl -sS -I -o answer -H 'Want-Repr-Digest: sha-256=10' -w '%header{etag} %header{repr-digest}' "$url/large.txt" >about
read -r tag digest <about || true
digest=$(echo "$digest" | sed 's/^sha-256=:\(.*\):$/\1/' | base64 -d | od -An -v -tx1 | tr -d ' \n')

fetch --header="If-Match: $tag" --checksum="sha-256=$digest" --out=download
cmp large download && echo 'the download is the file'

echo 'Another version has come:'
seq 2000001 2800000 | curl -sS -o answer -T - "$url/large.txt"
printf 'with the tag of the first, ' && fetch --header="If-Match: $tag" --out=refused
test ! -e refused && echo 'nothing was fetched'
printf 'with the digest of the first, ' && fetch --checksum="sha-256=$digest" --out=wrong
