#!/bin/sh
# Deploys with rsync into the folder that is being served: a build that gave every file a new time, with one new file.
# Whoever has the files of before keeps those that are the same.
#
#   deploy-rsync.sh URL FOLDER
set -eu
url=${1:?the URL of the server}
folder=${2:?the folder that it serves}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

build() {
    mkdir -p "$1/app"
    echo "$2" >"$1/app/page.html"
    seq 1 10000 >"$1/app/script.js"
}
ask() {
    for name in page.html script.js; do
        curl -sS --etag-compare "$name.tag" --etag-save "$name.tag" -o "$name" -w "$name: %{http_code}\n" "$url/app/$name"
    done
}

build release-1 'the first release'
build release-2 'the second release'
touch -d '2 days ago' release-1/app/*
: >page.html.tag
: >script.js.tag

rsync -a release-1/app "$folder/"
echo 'The first release' && ask
rsync -a release-2/app "$folder/"
echo 'The second release' && ask
cat page.html
