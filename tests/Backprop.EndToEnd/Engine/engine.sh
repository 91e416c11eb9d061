#!/bin/bash
# A container engine of its own, and the images that the Dockerfile and the compose file begin with,
# where no registry can be reached: Debian's docker.io, a base by debootstrap, this machine's .NET.
#
#   engine.sh start DIRECTORY    starts it, with all of its state below the directory
#   engine.sh stop DIRECTORY     ends it; the images stay in the directory
#
# Exit code 3: no engine can be run here.
#
# It is reached at unix://DIRECTORY/docker.sock. About two minutes the first time, on two cores.
set -euo pipefail

usage() {
    echo "usage: engine.sh start|stop DIRECTORY" >&2
    exit 2
}

[ $# = 2 ] || usage
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$2"
state=$(cd "$2" && pwd)
# The client of the engine's own package: another one of this name may come earlier on the path.
docker=/usr/bin/docker
[ -x "$docker" ] || docker=docker
export DOCKER_HOST=unix://$state/docker.sock DOCKER_BUILDKIT=1
base=backprop-test/runtime-deps:10.0

start_engine() {
    if [ -s "$state/docker.pid" ] && "$docker" info >/dev/null 2>&1; then
        return
    fi

    # Where groups of processes share the processor with single ones, as in version 1 of control
    # groups, all containers together would weigh as much as one process of the machine.
    local group=/sys/fs/cgroup/cpu/backprop-test
    if [ -e /sys/fs/cgroup/cpu/cpu.shares ]; then
        mkdir -p "$group"
        echo 16384 >"$group/cpu.shares"
    fi

    # 198.18.0.0/15 is for tests of networks: nothing that a machine wants to reach is there.
    setsid dockerd --data-root "$state/data" --exec-root "$state/run" \
        --pidfile "$state/docker.pid" --host "$DOCKER_HOST" --bip 198.18.0.1/24 \
        --cgroup-parent /backprop-test \
        --default-address-pool base=198.19.0.0/16,size=24 \
        </dev/null >"$state/engine.log" 2>&1 &
    for _ in $(seq 150); do
        if "$docker" info >/dev/null 2>&1; then
            return
        fi
        sleep 0.2
    done

    echo "no engine for containers can be run here; the end of its log:" >&2
    tail -5 "$state/engine.log" >&2
    exit 3
}

stop_engine() {
    [ -s "$state/docker.pid" ] || return 0
    local engine
    engine=$(cat "$state/docker.pid")
    kill "$engine" 2>/dev/null || return 0
    for _ in $(seq 300); do
        kill -0 "$engine" 2>/dev/null || return 0
        sleep 0.2
    done

    echo "the engine (process $engine) did not end within 60 s" >&2
    exit 1
}

has_image() {
    "$docker" image inspect "$1" >/dev/null 2>&1
}

# What .NET's own image without .NET has: certificates, OpenSSL, zlib, C++'s library.
make_base() {
    has_image "$base" && return
    debootstrap --variant=minbase --include=ca-certificates,libssl3,zlib1g,libstdc++6 \
        bookworm "$state/base" >"$state/base.log" \
        || { tail -20 "$state/base.log" >&2; exit 1; }
    # The lists and archives of packages are in no published image either.
    rm -rf "$state"/base/var/cache/apt/* "$state"/base/var/lib/apt/lists/*
    tar -C "$state/base" -c . | "$docker" import - "$base" >/dev/null
    rm -rf "$state/base"
}

make_sdk() {
    has_image backprop-test/sdk:10.0 && return
    local context=$state/sdk
    mkdir -p "$context"
    cp -rL "$(dirname "$(readlink -f "$(command -v dotnet)")")" "$context/dotnet"
    # Whoever this machine trusts: packages may come through a proxy of its own.
    cp /etc/ssl/certs/ca-certificates.crt "$context/"
    cat >"$context/Dockerfile" <<DOCKERFILE
FROM $base
COPY dotnet /usr/share/dotnet
COPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
ENV PATH=/usr/share/dotnet:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \\
    DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 \\
    NUGET_CERT_REVOCATION_MODE=offline
DOCKERFILE
    "$docker" build --quiet --tag backprop-test/sdk:10.0 "$context" >/dev/null
    rm -rf "$context"
}

make_postgres() {
    has_image backprop-test/postgres:15 && return
    "$docker" build --quiet --build-arg BASE_IMAGE=$base --tag backprop-test/postgres:15 \
        "$here/postgres" >/dev/null
}

case $1 in
start)
    start_engine
    make_base
    make_sdk
    make_postgres
    ;;
stop)
    stop_engine
    ;;
*)
    usage
    ;;
esac
