#!/usr/bin/env bash
# The package in an empty project, under Node alone and without a compiler: library and command work.
set -euo pipefail
cd "$(dirname "$0")/.."
project=$(mktemp -d)
trap 'rm -rf "$project"' EXIT
npm pack --silent --pack-destination "$project" >/dev/null
cd "$project"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund ./caisson-*.tgz
# A PATH with node and what a container needs, and without gcc and bun.
mkdir bin && ln -s "$(command -v node)" bin/node
cat >try.mjs <<'EOF'
import { run } from "caisson";
const { stdout, exitCode } = await run(["sh", "-c", "echo from the package; exit 3"]);
if (stdout !== "from the package\n" || exitCode !== 3) throw new Error(JSON.stringify({ stdout, exitCode }));
EOF
PATH="$project/bin" "$project/bin/node" try.mjs
out=$(PATH="$project/bin" "$project/bin/node" node_modules/.bin/caisson run -- sh -c 'echo command; exit 0')
[ "$out" = command ]
PATH="$project/bin" "$project/bin/node" node_modules/.bin/caisson run -- nosuchcommand 2>err && exit 1
grep -q "command not found" err
echo "the package works: $(du -k caisson-*.tgz | cut -f1) KB"
