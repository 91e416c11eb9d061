#!/bin/sh
# Puts Fashion-MNIST (Zalando SE, MIT licence) into data/fashion-mnist, verified by SHA-256.
#
#   sh data/fetch.sh
#
# The files come from the first of:
#   $FASHION_MNIST_DIR                        a folder that already holds the four files
#   /usr/share/datasets/fashion-mnist         the installed Debian package dataset-fashion-mnist
#   apt-get download dataset-fashion-mnist    that package, unpacked into a temporary folder
#
# Running it again with the files in place only verifies them. Nothing is left half-written: the
# folder appears under its name when all four files in it are right.
set -eu

files='t10k-images-idx3-ubyte.gz t10k-labels-idx1-ubyte.gz
train-images-idx3-ubyte.gz train-labels-idx1-ubyte.gz'
sums='cc1d090a38ace84dfa1aa66e3ada7c336ef481a96936906477e6dd344da56eaa  t10k-images-idx3-ubyte.gz
8d3605d196f4be44669e46906da9733c8131fef761fdbfec72c424d5222f1a05  t10k-labels-idx1-ubyte.gz
b0564c3eedabfbf835052cff8503ea422014ce006caf5b757f851416ee8300c7  train-images-idx3-ubyte.gz
0ae29f65d86684f32d1b9c85147786c547b9c6aebcaf235f0400a0cce308b056  train-labels-idx1-ubyte.gz'
installed=/usr/share/datasets/fashion-mnist

fail() {
    echo "fetch.sh: $*" >&2
    exit 1
}

# Whether the folder $1 holds the four files, whole.
holds_files() {
    [ -d "$1" ] && (cd "$1" && printf '%s\n' "$sums" | sha256sum -c - >/dev/null 2>&1)
}

# Unpacks the Debian package below $1; its own output is shown only where it fails.
unpack_package() {
    command -v apt-get >/dev/null 2>&1 && command -v dpkg >/dev/null 2>&1 || fail \
        'there is no apt-get here; get the four files elsewhere and set FASHION_MNIST_DIR'
    mkdir "$1/package"
    (cd "$1/package" && apt-get download dataset-fashion-mnist >"$1/log" 2>&1) || {
        cat "$1/log" >&2
        fail 'apt-get could not download dataset-fashion-mnist (try: apt-get update)'
    }
    dpkg -x "$1"/package/dataset-fashion-mnist_*.deb "$1/package" ||
        fail 'the package could not be unpacked'
}

command -v sha256sum >/dev/null 2>&1 || fail 'sha256sum is needed and not there'
cd "$(dirname "$0")"
target=$PWD/fashion-mnist
if holds_files "$target"; then
    echo "$target: already there, all four files verified"
    exit 0
fi

staging=$(mktemp -d "$PWD/.fashion-mnist.XXXXXX")
trap 'rm -rf "$staging"' EXIT
trap 'exit 1' HUP INT TERM

if [ -n "${FASHION_MNIST_DIR:-}" ]; then
    source=$FASHION_MNIST_DIR
elif [ -d "$installed" ]; then
    source=$installed
else
    unpack_package "$staging"
    source=$staging/package$installed
fi

mkdir "$staging/files"
for file in $files; do
    cp "$source/$file" "$staging/files/$file" || fail "$source holds no readable $file"
done
holds_files "$staging/files" || fail "the files in $source are not Fashion-MNIST as published:
$(cd "$staging/files" && printf '%s\n' "$sums" | sha256sum -c - 2>&1)"

chmod 644 "$staging"/files/*
if [ -e "$target" ]; then
    mv "$target" "$staging/old"
fi
mv "$staging/files" "$target"
chmod 755 "$target"
echo "$target: four files, verified"
