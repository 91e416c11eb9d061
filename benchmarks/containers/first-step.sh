#!/bin/bash
# Seconds from `docker compose up` to the first training step of a run that is handed in as soon as
# the console takes one; images are there, volumes are not.
#
#   benchmarks/containers/first-step.sh [REPEATS]
set -euo pipefail
cd "$(dirname "$0")/../.."

repeats=${1:-3}
console=http://127.0.0.1:${CONSOLE_PORT:-8080}
if docker compose version >/dev/null 2>&1; then
    compose=(docker compose --project-name backprop-first-step)
else
    compose=(docker-compose --project-name backprop-first-step)
fi
trap '"${compose[@]}" down --volumes >/dev/null 2>&1' EXIT

now() { date +%s.%N; }
since() { awk -v from="$1" -v to="$(now)" 'BEGIN { printf "%.1f", to - from }'; }

# Repeats a command until it succeeds, two minutes long, and prints what it wrote.
until_done() {
    for _ in $(seq 1200); do
        if "$@" 2>/dev/null; then
            return
        fi
        sleep 0.1
    done
    echo "not within two minutes: $*" >&2
    exit 1
}

make_token() {
    "${compose[@]}" exec -T console backprop token create --role operator
}

submit() {
    curl --silent --fail --max-time 5 --header "Authorization: Bearer $token" \
        --header "Content-Type: text/plain" --data-binary @hocon/runs/digits.conf \
        "$console/api/v1/runs"
}

has_step() {
    curl --silent --fail --max-time 5 --header "Authorization: Bearer $token" \
        "$console/api/v1/runs/$run" | grep --quiet --extended-regexp '"version":[1-9]'
}

for _ in $(seq "$repeats"); do
    "${compose[@]}" down --volumes >/dev/null 2>&1
    began=$(now)
    "${compose[@]}" up --detach >/dev/null 2>&1
    up=$(since "$began")
    token=$(until_done make_token)
    known=$(since "$began")
    run=$(until_done submit | sed 's/.*"id":"\([^"]*\)".*/\1/')
    taken=$(since "$began")
    until_done has_step
    echo "up after $up s, token $known s, run taken $taken s, first step $(since "$began") s"
done
