#!/usr/bin/env bash
# A new user's first minutes: a fresh clone, and the two commands as the README has them.
set -euo pipefail
cd "$(dirname "$0")/.."
clone=$(mktemp -d)
trap 'rm -rf "$clone"' EXIT
git clone --quiet . "$clone/caisson"
mapfile -t commands < <(awk '/^```sh$/ { inside = 1; next } /^```$/ { inside = 0 } inside' README.md)
[ "${#commands[@]}" -eq 2 ] || { echo "the README has ${#commands[@]} commands, not 2" >&2; exit 1; }
cd "$clone/caisson"
out=$(bash -c "${commands[0]}")
echo "$out"
[[ "$out" =~ ^"hello from "[0-9a-f]{12}", I am process 1"$ ]]
bash -c "${commands[1]}" >"$clone/log" 2>&1 || { grep -B25 -A25 -E '^not ok|^\(fail' "$clone/log" || tail -50 "$clone/log"; exit 1; }
grep -E '^ *[0-9]+ (pass|fail)$|^# (pass|fail)' "$clone/log"
