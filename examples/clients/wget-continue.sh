#!/bin/sh
# wget -c fetches what is missing of a file. It does not ask whether the file is still the same: the end of the new file
# is glued to the beginning of the old one, and nothing tells. If-Range does not help, because wget skips the beginning of
# a whole answer as well. If-Match does: a file that has changed is 412, and wget leaves what it has alone.
set -eu
url=${1:-${IFMATCH_URL:-http://127.0.0.1:8080}}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

seq 100001 120000 >first
seq 200001 220000 >second
put() {
    wget -q -O answer --method=PUT --body-file="$1" "$url/numbers.txt"
}
# The first part of the first version, as it is left when a download breaks off; then the rest, with these options.
resume() {
    head -c 50000 first >numbers.txt
    status=0
    wget -q -c "$@" "$url/numbers.txt" || status=$?
    printf 'exit code %s, ' "$status"
    if cmp -s numbers.txt first; then
        echo 'the download is the file'
    elif cmp -s numbers.txt second; then
        echo 'the download is the new file'
    elif head -c 50000 first | cmp -s numbers.txt -; then
        echo 'the part is what it was'
    else
        echo 'the download is a mixture'
    fi
}

put first
tag=$(wget -q -S --spider "$url/numbers.txt" 2>&1 | sed -n 's/^ *etag: //ip')

printf 'the same file, If-Match: ' && resume --header="If-Match: $tag"
put second
printf 'another file, If-Match: ' && resume --header="If-Match: $tag"
printf 'another file, If-Range: ' && resume --header="If-Range: $tag"
printf 'another file: ' && resume
