#!/bin/sh
# Makes the authority of a cluster in containers, and a certificate for each role: what there is
# already stays. HOSTS lists names that the console is reached at, beside localhost, with commas
# between them.
set -eu

cd /authority
if [ ! -s authority.pem ]; then
    backprop certs init --directory .
fi

hosts=
for host in $(echo "${HOSTS:-}" | tr , ' '); do
    hosts="$hosts --host $host"
done

for role in coordinator console parameter-server worker; do
    to=/issued/$role
    if [ -s "$to/node-key.pem" ] && cmp -s authority.pem "$to/authority.pem"; then
        continue
    fi

    # Each word of it is an argument.
    # shellcheck disable=SC2086
    backprop certs issue "$role" --directory . --roles "$role" --life 365d $hosts
    cp authority.pem "$to/authority.pem"
    mv "$role.pem" "$to/node.pem"
    mv "$role-key.pem" "$to/node-key.pem"
    chown -R 1654:1654 "$to"
done

# Who only asks nodes needs to know the authority.
if [ -d /issued/authority ]; then
    cp authority.pem /issued/authority/authority.pem
fi
