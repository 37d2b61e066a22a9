#!/usr/bin/env bash
# Builds what the figures need and prints them. Peers (runc, crun, bubblewrap) take part where they are installed.
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/setup.sh
bash scripts/packages.sh busybox-static
node_modules/.bin/tsc -p tsconfig.bench.json
exec node_modules/.bin/bun bench/main.ts "$@"
