#!/usr/bin/env bash
# Records tests/debezium/recorded/*.jsonl anew: a real PostgreSQL, its changes read by Debezium's own connector.
# Needs mvn, a JDK of 17 or newer and PostgreSQL's programs (Debian: postgresql); takes a minute.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
bin=$(dirname "$(readlink -f "$(command -v initdb || ls /usr/lib/postgresql/*/bin/initdb | tail -1)")")
port=${PORT:-55433}
as() { if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi; }
trap 'as "$bin/pg_ctl" -D "$work/db" -m immediate stop >/dev/null 2>&1 || true; rm -rf "$work"' EXIT

mvn -q -B -f "$here/pom.xml" dependency:copy-dependencies -DoutputDirectory="$work/lib"
mkdir "$work/db" && chmod 755 "$work"
if [ "$(id -u)" = 0 ]; then chown postgres "$work/db"; fi
as "$bin/initdb" -D "$work/db" -A trust -U postgres -E UTF8 --no-locale >/dev/null
as "$bin/pg_ctl" -D "$work/db" -w -o "-p $port -k /tmp -c wal_level=logical -c listen_addresses=127.0.0.1" \
  -l "$work/db/log" start >/dev/null
mkdir -p "$here/recorded"
java -Dorg.slf4j.simpleLogger.defaultLogLevel="${LOG:-error}" -cp "$work/lib/*" "$here/Record.java" \
  "jdbc:postgresql://127.0.0.1:$port/postgres?user=postgres" "$here/recorded"
wc -l "$here"/recorded/*.jsonl
