#!/usr/bin/env bash
# Containers through podman, Docker, containerd and buildah, each with our runtime and with runc: what runc can, we can.
# Installs from Debian what is missing; engines get directories, sockets and names of their own.
set -euo pipefail
cd "$(dirname "$0")/../.."
if [ "$(id -u)" != 0 ]; then echo "skipped: engines need root"; exit 0; fi
bash scripts/packages.sh podman docker.io containerd buildah runc conmon busybox-static iptables procps catatonit tini netavark \
  aardvark-dns uidmap
bash scripts/build.sh
exec node_modules/.bin/bun test --timeout 120000 ./test/engines/*.test.ts "$@"
