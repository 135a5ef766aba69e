#!/bin/sh
# Resumes a download that broke off, with If-Range: the rest (206) while the file is the same, the whole (200) once it is
# another one. Without If-Range the end of the new file would be glued to the beginning of the old one.
set -eu
url=${1:-${IFMATCH_URL:-http://127.0.0.1:8080}}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

seq 100001 120000 >first
seq 200001 220000 >second

# Gets what is missing of the file "download", whose tag is in the file "tag".
resume() {
    from=$(wc -c <download)
    code=$(curl -sS -r "$from-" -H "If-Range: $(cat tag)" --etag-save tag -o part -w '%{http_code}' "$url/numbers.txt")
    case $code in
    206) cat part >>download ;;
    200) mv part download ;;
    416) : ;; # nothing is missing
    *) echo "unexpected: $code" >&2 && return 1 ;;
    esac
    echo "$code"
}

curl -sS -o answer -T first "$url/numbers.txt"
curl -sS -I --etag-save tag -o answer "$url/numbers.txt"

echo 'Broken off after 50000 bytes, the file is the same:'
head -c 50000 first >download
resume
cmp download first && echo 'the download is the file'

echo 'Broken off after 50000 bytes, the file has changed:'
head -c 50000 first >download
curl -sS -o answer -T second "$url/numbers.txt"
resume
cmp download second && echo 'the download is the new file'

echo 'curl -C - keeps what it has when the whole file comes, and says so:'
head -c 50000 first >download
status=0
curl -s -C - -H 'If-Range: "the first one"' -o download "$url/numbers.txt" || status=$?
echo "exit code $status, $(wc -c <download) bytes"
