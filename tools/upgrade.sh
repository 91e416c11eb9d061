#!/bin/sh
# Upgrades a cluster of real processes from an earlier commit to this checkout, node by node, while
# it trains: builds the commit in a worktree of its own, and runs the test that takes its program.
#
#   sh tools/upgrade.sh COMMIT
set -eu
commit=${1:?"the commit or tag to upgrade from is missing, for example HEAD~1"}
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'git worktree remove --force "$folder/source" 2>/dev/null || true; rm -rf "$folder"' EXIT
git worktree add --detach --quiet "$folder/source" "$commit"
dotnet build "$folder/source/src/Backprop.Console" -p:RunAnalyzers=false -v quiet \
    -o "$folder/program"
BACKPROP_PREVIOUS=$folder/program/backprop.dll \
    dotnet test tests/Backprop.Chaos.Tests -p:RunAnalyzers=false \
    --filter Every_node_of_an_earlier_build
