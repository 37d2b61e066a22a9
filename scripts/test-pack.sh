#!/usr/bin/env bash
# The package in an empty project, under Node alone and without a compiler: library and command work.
set -euo pipefail
cd "$(dirname "$0")/.."
repo=$PWD
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
# Its types, by a compiler that is told of nothing newer than ES2022, and that looks into them.
cat >typed.mts <<'EOF'
import { type RunResult, container, run } from "caisson";
const result: RunResult = await run(["true"]);
const bytes: Uint8Array = (await run(["true"], { encoding: "buffer" })).stdout;
// @ts-expect-error: text, if nothing else is said
const wrong: Uint8Array = result.stdout;
export const all = [result, bytes, wrong, container];
EOF
for resolution in nodenext bundler; do
  module=$([ $resolution = nodenext ] && echo nodenext || echo esnext)
  "$repo/node_modules/.bin/tsc" --noEmit --strict --target es2022 --module "$module" --moduleResolution $resolution \
    --types node --typeRoots "$repo/node_modules/@types" typed.mts
done
echo "the package works: $(du -k caisson-*.tgz | cut -f1) KB"
