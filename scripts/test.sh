#!/usr/bin/env bash
# The test command: unit, golden, property and integration tests under Bun, then the library's cases under Node.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=node_modules/.bin
"$bin/tsc" --noEmit
# The engines are a lane of their own.
mapfile -t folders < <(find test -mindepth 1 -maxdepth 1 \( -type d ! -name engines ! -name helpers -o -name '*.test.ts' \) -printf './%p\n' | sort)
"$bin/bun" test --timeout 30000 "${folders[@]}"
# Networks are made in a network namespace of the test's own: nothing of the machine's is touched.
if [ "$(id -u)" = 0 ]; then
  for file in ./test/network/*.netns.ts; do
    unshare --net --mount "$bin/bun" test --timeout 60000 "$file"
  done
else
  echo "skipped: networks need root"
fi
"$bin/tsc" -p tsconfig.test.json
node --test --test-concurrency=1 test/container/library.node.mjs test/container/isolation.node.mjs test/container/threads.node.mjs test/cgroups/group.node.mjs
