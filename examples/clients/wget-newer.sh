#!/bin/sh
# wget -N fetches a file only if it is newer than the copy. It knows nothing but the date (If-Modified-Since).
set -eu
url=${1:-${IFMATCH_URL:-http://127.0.0.1:8080}}
name=news-$$.txt # a new one each time
work=$(mktemp -d)
trap 'wget -q -O answer --method=DELETE "$url/$name"; rm -rf "$work"' EXIT
cd "$work"

save() {
    echo "$1" >body
    wget -q -O answer --method=PUT --body-file=body "$url/$name"
}
fetch() {
    printf '%s: ' "$(wget -N -q -S "$url/$name" 2>&1 | sed -n 's/^ *HTTP[^ ]* \([0-9]*\).*/\1/p')"
    cat "$name"
}

save 'one'
fetch
fetch
save 'two' # of the same size, and perhaps in the same second
fetch
