#!/usr/bin/env bash
# Containers through podman, Docker, containerd and buildah, each with our runtime and with runc: what runc can, we can.
# Installs from Debian what is missing; engines get directories, sockets and names of their own.
set -euo pipefail
cd "$(dirname "$0")/../.."
if [ "$(id -u)" != 0 ]; then echo "skipped: engines need root"; exit 0; fi
missing=()
for pair in podman:podman dockerd:docker.io docker:docker.io containerd:containerd buildah:buildah runc:runc conmon:conmon \
  busybox:busybox-static iptables:iptables ps:procps; do
  command -v "${pair%%:*}" >/dev/null || [ -x "/usr/sbin/${pair%%:*}" ] || missing+=("${pair##*:}")
done
dpkg -s busybox-static >/dev/null 2>&1 || missing+=(busybox-static)
for package in catatonit tini netavark aardvark-dns uidmap; do dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package"); done
if [ ${#missing[@]} -gt 0 ]; then
  echo "installing ${missing[*]}" >&2
  # Daemons that a package brings are not to be started: each test has its own.
  printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d && chmod +x /usr/sbin/policy-rc.d
  apt-get -qq update >/dev/null && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "${missing[@]}" >/dev/null
  rm -f /usr/sbin/policy-rc.d
fi
bash scripts/build.sh
exec node_modules/.bin/bun test --timeout 120000 ./test/engines/*.test.ts "$@"
