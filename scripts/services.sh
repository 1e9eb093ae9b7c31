#!/usr/bin/env bash
# The real services that some tests start on loopback, and the browser that looks at them, from Debian's packages; what is there already is left alone.
# Without them those tests are skipped and say what is missing.
set -uo pipefail
missing=()
compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || missing+=(postgresql)
command -v chromium >/dev/null || missing+=(chromium)
if [ ${#missing[@]} -eq 0 ]; then
  echo "services: all there"
elif [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
  echo "services: ${missing[*]} missing; as root: apt-get install ${missing[*]}"
elif apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null; then
  echo "services: installed ${missing[*]}"
else
  echo "services: ${missing[*]} cannot be installed; the tests that need them will be skipped"
fi
