#!/bin/sh
# Publishes the program from two clones of this commit, in directories of different names, and
# compares every file: an image can be held against its source only where they are the same.
#
#   sh tools/reproducible.sh [RUNTIME]
set -eu
runtime=${1:-linux-x64}
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for name in first a/second/place; do
    mkdir -p "$folder/$(dirname "$name")"
    git clone --quiet --no-hardlinks . "$folder/$name"
    dotnet publish "$folder/$name/src/Backprop.Console" --configuration Release \
        --runtime "$runtime" -p:ContinuousIntegrationBuild=true -p:RunAnalyzers=false \
        --verbosity quiet --output "$folder/$name/published"
done
(cd "$folder/first/published" && find . -type f -exec sha256sum {} + | sort -k 2) >"$folder/1"
(cd "$folder/a/second/place/published" && find . -type f -exec sha256sum {} + | sort -k 2) \
    >"$folder/2"
if ! diff "$folder/1" "$folder/2"; then
    echo "published twice from one commit, these files differ" >&2
    exit 1
fi
echo "$(wc -l <"$folder/1") files, and each the same"
grep -E '/(backprop|Backprop\..*)(\.dll)?$' "$folder/1"
