#!/usr/bin/env bash
# Install what tests use and pip does not have: a browser, for the tests of the page.
# Only where that needs no question: as root on Debian. Elsewhere it says what is left out.
set -euo pipefail
if command -v chromium >/dev/null; then
  exit 0
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "Installing Chromium for the tests of the page …" >&2
  if { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium; } \
    >/dev/null 2>&1; then
    exit 0
  fi
fi
echo "Chromium is not there and cannot be installed here: the tests of the page are left out." >&2
echo "On Debian: sudo apt-get install chromium" >&2
