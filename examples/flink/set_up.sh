#!/usr/bin/env bash
# set_up.sh FOLDER: PyFlink in FOLDER/venv and the connectors' jars in it, as requirements.lock and jars.lock have them.
# Needs Python 3.9 to 3.12 (PYTHON), Java 11 or 17 and Maven. The second time it does nothing.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
into=${1:?usage: set_up.sh FOLDER}
wanted=$(cat "$here/requirements.lock" "$here/jars.lock" | sha256sum)
[ "$(cat "$into/complete" 2>/dev/null)" != "$wanted" ] || exit 0
command -v mvn >/dev/null || { echo "error: mvn is not on PATH. Next: install Maven (Debian: apt install maven)" >&2; exit 3; }
echo "installing PyFlink and its jars into $into (once, about 1.5 GB)"
rm -rf "$into"
mkdir -p "$into/jars"
"${PYTHON:-python3}" -m venv "$into/venv"
"$into/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps -r "$here/requirements.lock"
while read -r sum coordinates; do
  IFS=: read -r _ name version <<<"$coordinates"
  mvn --quiet --batch-mode -Dstyle.color=never dependency:copy "-Dartifact=$coordinates" "-DoutputDirectory=$into/jars" -Dmdep.useBaseVersion=true </dev/null
  echo "$sum  $into/jars/$name-$version.jar" | sha256sum --check --quiet
done <"$here/jars.lock"
# In the class path, not in pipeline.jars: the client itself needs Iceberg's and Hadoop's classes.
cp "$into"/jars/*.jar "$("$into/venv/bin/python" -c 'import os, pyflink; print(os.path.dirname(pyflink.__file__))')/lib/"
echo "$wanted" >"$into/complete"
