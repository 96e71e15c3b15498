#!/bin/bash
# A Kerberos KDC for tests: one realm, gone with the container. It answers when it is complete.
#   KDC_REALM       the realm
#   KDC_PORT        where it answers, TCP
#   KDC_PRINCIPALS  without the realm, each with a random key and /keytabs/N.keytab, N from 1;
#                   one that is named again gets new keys, and its first keytab is of no use
set -euo pipefail

cat > /etc/krb5.conf << EOF
[libdefaults]
  default_realm = $KDC_REALM
  dns_lookup_kdc = false
  dns_lookup_realm = false
  udp_preference_limit = 1
[realms]
  $KDC_REALM = {
    kdc = 127.0.0.1:$KDC_PORT
  }
EOF

mkdir -p /etc/krb5kdc /var/lib/krb5kdc /keytabs
cat > /etc/krb5kdc/kdc.conf << EOF
[kdcdefaults]
  kdc_listen = ""
  kdc_tcp_listen = $KDC_PORT
[realms]
  $KDC_REALM = {
    database_name = /var/lib/krb5kdc/principal
    key_stash_file = /etc/krb5kdc/stash
    max_life = 1d
  }
EOF

setup() {
  kdb5_util create -s -r "$KDC_REALM" -P "$(head -c 24 /dev/urandom | base64)"
  local number=0 principal
  for principal in $KDC_PRINCIPALS; do
    number=$((number + 1))
    kadmin.local -q "addprinc -randkey $principal"
    kadmin.local -q "ktadd -k /keytabs/$number.keytab $principal"
    test -s "/keytabs/$number.keytab" # kadmin.local ends with 0 even when it has failed
  done
}
setup > /tmp/setup.log 2>&1 || {
  cat /tmp/setup.log >&2
  exit 1
}
exec krb5kdc -n
