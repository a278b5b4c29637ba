#!/bin/sh
# `make browser`: Chromium or Chrome on PATH, or Debian's by apt-get where this user may install it. The browser tests
# skip without one, so this never fails.
for name in chromium chromium-browser google-chrome google-chrome-stable; do
  command -v "$name" >/dev/null 2>&1 && exit 0
done
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "installing chromium for the browser tests (once)"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null && exit 0
fi
echo "no chromium and no right to install it: the browser tests will be skipped (Debian: apt-get install chromium)" >&2
exit 0
