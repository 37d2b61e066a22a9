#!/usr/bin/env bash
# npm run conformance -- --runtime /usr/sbin/runc: the specification's sentences against any runtime.
set -euo pipefail
cd "$(dirname "$0")/../.."
runtime=dist/caisson-oci
while [ $# -gt 0 ]; do
  case "$1" in
    --runtime) runtime="$2"; shift 2 ;;
    *) echo "conformance: unknown option $1 (known: --runtime PATH)" >&2; exit 2 ;;
  esac
done
bash scripts/build.sh
CONFORMANCE_RUNTIME="$(realpath "$runtime")" exec node_modules/.bin/bun test --timeout 30000 ./test/conformance
