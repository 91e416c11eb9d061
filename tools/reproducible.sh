#!/bin/sh
# Publishes the program from this commit twice, from a clone and, as the image does, from files
# alone in a directory of another name, and compares every byte: an image can be held against its
# source only where they are the same. Both are made by one SDK: another version's compiler, or .NET
# itself as it brings it along, has other bytes. An image's layers, and its bill of materials, have
# times in them, and are not compared.
#
#   sh tools/reproducible.sh [RUNTIME]
set -eu
runtime=${1:-linux-x64}
cd "$(dirname "$0")/.."
# What is committed meanwhile is in neither.
commit=$(git rev-parse HEAD)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
git clone --quiet --no-hardlinks . "$folder/first"
git -C "$folder/first" checkout --quiet --detach "$commit"
mkdir -p "$folder/a/second/place"
git archive "$commit" | tar -x -C "$folder/a/second/place"

# publish DIRECTORY NUMBER [OPTION]: writes the hash of each file to NUMBER.
publish() {
    place=$folder/$1
    list=$folder/$2
    shift 2
    dotnet publish "$place/src/Backprop.Console" --configuration Release --runtime "$runtime" \
        -p:ContinuousIntegrationBuild=true -p:RunAnalyzers=false --verbosity quiet \
        --output "$place/published" "$@"
    (cd "$place/published" && find . -type f -exec sha256sum {} + | sort -k 2) >"$list"
}

publish first 1
publish a/second/place 2 -p:SourceRevisionId="$commit"
if ! diff "$folder/1" "$folder/2"; then
    echo "published twice from $commit, these files differ" >&2
    exit 1
fi
echo "$(wc -l <"$folder/1") files of $commit, and each the same"
grep -E '/(backprop|Backprop\..*)(\.dll)?$' "$folder/1"
