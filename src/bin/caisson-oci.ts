#!/usr/bin/env node
import { ociMain } from "../oci/main.ts";

ociMain(process.argv.slice(2)).then((code) => {
  process.exitCode = code;
});
