#!/usr/bin/env bash
# Writes *_pb.ts from the .proto files beside them; to be run after a change of those.
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/packages.sh protobuf-compiler libprotobuf-dev
plugin=$(mktemp -d)
trap 'rm -rf "$plugin"' EXIT
npm install --silent --no-audit --no-fund --prefix "$plugin" @bufbuild/protoc-gen-es@2.17.0 typescript@5
for folder in src/shim/protocol src/oci/criu/protocol test/engines/cri; do
  protoc -I "$folder" --plugin="protoc-gen-es=$plugin/node_modules/.bin/protoc-gen-es" \
    "--es_out=target=ts,import_extension=none:$folder" "$folder"/*.proto
done
