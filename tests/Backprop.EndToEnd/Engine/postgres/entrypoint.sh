#!/bin/sh
# Makes the database on the first start, as the public image does, with the same variables.
set -eu

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    password=$(mktemp)
    if [ -n "${POSTGRES_PASSWORD_FILE:-}" ]; then
        cat "$POSTGRES_PASSWORD_FILE" >"$password"
    else
        printf %s "${POSTGRES_PASSWORD:?give POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE}" \
            >"$password"
    fi
    initdb --pgdata "$PGDATA" --username "${POSTGRES_USER:-postgres}" --pwfile "$password" \
        --auth-host scram-sha-256 --auth-local trust >/dev/null
    rm "$password"
    echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
    echo "listen_addresses = '*'" >>"$PGDATA/postgresql.conf"
    if [ "${POSTGRES_DB:-postgres}" != postgres ]; then
        pg_ctl --pgdata "$PGDATA" --wait --options "-c listen_addresses=" start >/dev/null
        createdb --username "${POSTGRES_USER:-postgres}" "$POSTGRES_DB"
        pg_ctl --pgdata "$PGDATA" --wait stop >/dev/null
    fi
fi

exec postgres -D "$PGDATA" "$@"
