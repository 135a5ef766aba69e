#!/bin/sh
# Fetches a file once, and then only asks whether it is still the same: by its entity tag, and by its date.
set -eu
url=${1:-${IFMATCH_URL:-http://127.0.0.1:8080}}
file=$url/greeting-$$.txt # a new one each time
work=$(mktemp -d)
trap 'curl -sS -X DELETE "$file"; rm -rf "$work"' EXIT
cd "$work"

save() {
    echo "$1" | curl -sS -o answer -T - "$file"
}
by_tag() {
    curl -sS --etag-compare tag --etag-save tag -o by-tag -w '%{http_code}, %{size_download} bytes: ' "$file"
    cat by-tag
}
by_date() {
    curl -sS -z by-date -R -o by-date -w '%{http_code}, %{size_download} bytes: ' "$file"
    cat by-date
}

save 'good morning'
: >tag
curl -sS -R -o by-date "$file"

echo 'By tag (If-None-Match)'
by_tag
by_tag
echo 'By date (If-Modified-Since)'
by_date

save 'good evening'
echo 'After a change, by tag'
by_tag
echo 'After a change, by date'
by_date
