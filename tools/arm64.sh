#!/bin/sh
# Trains a run with the program for x64 and with the one for arm64, which qemu-aarch64-static
# (Debian's qemu-user-static) emulates, and compares what they come to, to the last bit.
#
#   sh tools/arm64.sh [SPECIFICATION]
#
# It takes libraries for arm64: C's and C++'s, as of Debian's libc6-arm64-cross,
# libstdc++6-arm64-cross and libgcc-s1-arm64-cross (elsewhere, ARM64_LIBRARIES is the folder that
# holds lib/), and OpenSSL's, as of libssl3:arm64, whose folder ARM64_OPENSSL names.
set -eu
specification=${1:-hocon/runs/xor.conf}
libraries=${ARM64_LIBRARIES:-/usr/aarch64-linux-gnu}
openssl=${ARM64_OPENSSL:?"the folder with libssl.so.3 for arm64 is missing"}
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for architecture in x64 arm64; do
    # Compiled ahead of time or not makes no difference to what it computes.
    dotnet publish src/Backprop.Console --configuration Release \
        --runtime "linux-$architecture" -p:RunAnalyzers=false -p:PublishReadyToRun=false \
        --verbosity quiet --output "$folder/$architecture"
done
weights() {
    sed -n 's/.*"weights-sha256": *"\([0-9a-f]*\)".*/\1/p' "$1"
}
"$folder/x64/backprop" train "$specification" --output "$folder/runs" \
    --summary "$folder/x64.json" >/dev/null
qemu-aarch64-static -L "$libraries" -E LD_LIBRARY_PATH="$openssl" \
    "$folder/arm64/backprop" train "$specification" --output "$folder/runs" \
    --summary "$folder/arm64.json" >/dev/null
echo "x64   $(weights "$folder/x64.json")"
echo "arm64 $(weights "$folder/arm64.json")"
[ -n "$(weights "$folder/x64.json")" ]
[ "$(weights "$folder/x64.json")" = "$(weights "$folder/arm64.json")" ]
