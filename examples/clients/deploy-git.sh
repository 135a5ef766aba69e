#!/bin/sh
# Deploys with git checkout in the folder that is being served, and back again. git gives every file that it writes the
# time of the checkout; a client that has a version keeps it as long as the bytes are the same.
#
#   deploy-git.sh URL FOLDER
set -eu
url=${1:?the URL of the server}
folder=${2:?the folder that it serves}
checkout=$(mktemp -d "$folder/checkout-XXXXXX")
page=$url/$(basename "$checkout")/page.html
work=$(mktemp -d)
trap 'rm -rf "$checkout" "$work"' EXIT
cd "$work"

git() {
    command git -C "$checkout" -c init.defaultBranch=main -c user.name=Example -c user.email=example@example.org "$@"
}
commit() {
    echo "$1" >"$checkout/page.html"
    git add .
    git commit -q -m "$1"
    git tag "$1"
}
ask() {
    curl -sS --etag-compare tag --etag-save tag -o page.html -w '%{http_code} ' "$page"
    cat page.html
}

git init -q
commit release-1
commit release-2
: >tag

git checkout -q release-1
printf 'release 1 is there: ' && ask
git checkout -q release-2
printf 'release 2 is there: ' && ask
git checkout -q release-1 && git checkout -q release-2
printf 'back and forth:     ' && ask
# What git keeps for itself is not served.
curl -sS -o answer -w '.git: %{http_code}\n' "${page%page.html}.git/HEAD"
