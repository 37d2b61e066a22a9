#!/usr/bin/env bash
# packages.sh PACKAGE…: installs from Debian what of them is missing; the daemons that they bring are not started.
set -euo pipefail
missing=()
for package in "$@"; do dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null | grep -q '^ii' || missing+=("$package"); done
[ ${#missing[@]} -gt 0 ] || exit 0
[ "$(id -u)" = 0 ] || { echo "skipped: ${missing[*]} not installed, and only root can" >&2; exit 0; }
echo "caisson: installing ${missing[*]}" >&2
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod +x "$policy"
  trap 'rm -f "$policy"' EXIT
fi
install() { DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "${missing[@]}" >/dev/null 2>&1; }
install || { apt-get -qq update >/dev/null && install; }
