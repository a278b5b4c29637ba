#!/usr/bin/env bash
# record.sh ARCHIVE [KEYS BATCHES SEED]: Record.java's tables as ARCHIVE.tar.xz. Needs mvn and a JDK of 17 or newer;
# without more it makes tests/flink/flink_recorded/upserts.tar.xz anew. The root: see tests/support/recorded_lake.py.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
into=$(realpath "${1:-$here/../flink_recorded/upserts.tar.xz}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/$(printf "%$((160 - ${#work} - 1))s" "" | tr ' ' w)
mkdir "$root" "$work/classes"
mvn -q -B -f "$here/pom.xml" dependency:copy-dependencies -DoutputDirectory="$work/lib" >/dev/null
javac -nowarn -cp "$work/lib/*" -d "$work/classes" "$here/Record.java"
opens=(); for package in lang nio time util; do opens+=("--add-opens=java.base/java.$package=ALL-UNNAMED"); done
java "${opens[@]}" -Dorg.slf4j.simpleLogger.defaultLogLevel="${LOG:-error}" -cp "$work/classes:$work/lib/*" \
  Record "$root" "${2:-8}" "${3:-4}" "${4:-1}"
echo "$root" >"$root/root"
tar --sort=name --owner=0 --group=0 --exclude='*.crc' --exclude=version-hint.text -C "$root" -cJf "$into" .
ls -l "$into"
