#!/usr/bin/env bash
# The API reference, by typedoc from the docstrings, into dist/api. typedoc reads what TypeScript 5 reads: it is not among the
# dependencies, and fetched by its version.
set -euo pipefail
cd "$(dirname "$0")/.."
npx --yes -p typedoc@0.28.14 -p typescript@5.9.3 typedoc --tsconfig tsconfig.build.json --entryPoints src/index.ts \
  --out dist/api --readme README.md --skipErrorChecking --logLevel Error "$@"
echo "dist/api/index.html"
