#!/bin/sh
# Copies a folder with rclone's http remote, which reads the listings. The second time nothing is downloaded.
set -eu
url=${1:-${IFMATCH_URL:-http://127.0.0.1:8080}}
new=$url/photos/three-$$.txt # another one each time
work=$(mktemp -d)
trap 'curl -sS -X DELETE "$new"; rm -rf "$work"' EXIT
cd "$work"

copy() {
    rclone copy -v --http-url "$url" :http:photos copy 2>log
    printf '%s: %s downloaded\n' "$1" "$(grep -c 'Copied (' log)"
}

copy 'the first time'
copy 'the second time'
# Compares size and date, and then the bytes.
rclone check --http-url "$url" :http:photos copy 2>log && echo 'the copy seems to be the folder'
rclone check --download --http-url "$url" :http:photos copy 2>log && echo 'the copy is the folder'

echo 'three' | curl -sS -o answer -T - "$new"
copy 'with a new file'
