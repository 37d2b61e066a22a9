#!/usr/bin/env bash
# Builds what is missing or older than its sources: the executors, the library and the compiled command.
set -euo pipefail
cd "$(dirname "$0")/.."

newer() { # newer TARGET SOURCE…: must TARGET be made again?
  [ ! -e "$1" ] || [ -n "$(find "${@:2}" -newer "$1" -type f -print -quit)" ]
}

FLAGS="-Os -std=gnu11 -Wall -Wextra -Werror -ffreestanding -nostdlib -static-pie -fPIE -fno-stack-protector
  -fno-asynchronous-unwind-tables -fno-jump-tables -fno-tree-loop-distribute-patterns -fvisibility=hidden
  -Wl,-z,noexecstack -Wl,--build-id=none -Wl,--no-dynamic-linker -Wl,-z,norelro -s"

executor() { # executor ARCH COMPILER
  local out="dist/native/executor-$1"
  if ! newer "$out" native scripts/build.sh; then return; fi
  if ! command -v "$2" >/dev/null; then
    [ "$1" = "$(uname -m)" ] && { echo "caisson: $2 is needed to build the executor (apt-get install gcc)" >&2; exit 1; }
    return 0
  fi
  echo "caisson: building $out" >&2
  mkdir -p dist/native
  # shellcheck disable=SC2086
  "$2" $FLAGS -o "$out.new" native/executor.c
  if readelf -r "$out.new" 2>/dev/null | grep -q R_; then echo "caisson: $out has relocations" >&2; exit 1; fi
  mv "$out.new" "$out"
}

case "$(uname -m)" in
  x86_64 | aarch64) ;;
  *) echo "caisson: runs on x86-64 and arm64, not on $(uname -m)" >&2; exit 1 ;;
esac
compiler() { if [ "$1" = "$(uname -m)" ]; then echo gcc; else echo "$1-linux-gnu-gcc"; fi; }
for arch in x86_64 aarch64; do executor "$arch" "$(compiler "$arch")"; done

bin=node_modules/.bin
executors() { # executors ARCH…: those of these that were built, as an object of JavaScript's
  local arch pairs=()
  for arch; do
    if [ -e "dist/native/executor-$arch" ]; then pairs+=("\"$arch\":\"$(base64 -w0 "dist/native/executor-$arch")\""); fi
  done
  (IFS=,; echo "{${pairs[*]}}")
}
# Executors are in it: of another machine's kind from when there was a compiler for that.
if newer dist/index.js src native scripts/bundle.ts tsconfig.json tsconfig.build.json dist/native/executor-*; then
  echo "caisson: building the library" >&2
  if [ -d dist ]; then find dist -path dist/api -prune -o -name '*.[jt]s' -print0 | xargs -0r rm; fi
  "$bin/tsc" -p tsconfig.build.json
  "$bin/bun" scripts/bundle.ts dist/modules dist "$(executors x86_64 aarch64)"
  rm -r dist/modules
  chmod +x dist/bin/*.js
  touch dist/index.js
fi
# Each part is loaded when it is needed. What lies in the working directory is not ours to load, and what ends in milliseconds is not worth optimizing.
COMPILE="--compile --minify --bytecode --format=esm --splitting --no-compile-autoload-dotenv --no-compile-autoload-bunfig --compile-jit-policy=1000"
compiled() { # compiled NAME FRONT: the command, with the executor and the front in it
  if ! newer "dist/$1" src native; then return; fi
  echo "caisson: compiling dist/$1" >&2
  # shellcheck disable=SC2086
  "$bin/bun" build $COMPILE "src/bin/$1.ts" --outfile "dist/$1.new" \
    --define CAISSON_COMMAND="\"$1\"" \
    --define "CAISSON_EXECUTORS=$(executors "$(uname -m)")" >/dev/null
  "$bin/bun" scripts/front.ts "dist/$1.new" "$2" "$1"
  mv "dist/$1.new" "dist/$1"
}
# The front is at an address of its own, behind all that a JavaScript engine has.
front() { # front ARCH COMPILER
  local out="dist/native/front-$1" flags="${FLAGS/-static-pie -fPIE/-static -fno-pie -no-pie -Wl,-z,noseparate-code -Wl,-Ttext-segment=0x40000000}"
  if ! newer "$out" native scripts/build.sh || ! command -v "$2" >/dev/null; then return; fi
  # shellcheck disable=SC2086
  "$2" ${flags/-Wl,--no-dynamic-linker/} -o "$out.new" native/front.c && mv "$out.new" "$out"
}
for arch in x86_64 aarch64; do front "$arch" "$(compiler "$arch")"; done
for name in caisson caisson-oci; do compiled "$name" "dist/native/front-$(uname -m)"; done
# The bootstrap script compares its time with that of the last change of the checkout.
touch dist/caisson dist/caisson-oci
