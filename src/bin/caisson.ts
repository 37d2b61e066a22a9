#!/usr/bin/env node
import { main } from "../cli/main.ts";
import { givenWords } from "../host/given.ts";

main(givenWords()).then((code) => {
  process.exitCode = code;
});
