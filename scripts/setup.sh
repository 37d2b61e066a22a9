#!/usr/bin/env bash
# Installs the locked dependencies if they are missing or stale, and builds.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  echo "caisson: installing the dependencies" >&2
  npm ci --no-audit --no-fund --loglevel=error >&2
  touch node_modules/.package-lock.json
fi
bash scripts/build.sh
