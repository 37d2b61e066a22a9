#!/usr/bin/env node
import { main } from "../cli/main.ts";
import { givenWords } from "../host/given.ts";

// What is made is at least the maker's own, to enter and to execute.
process.umask(process.umask() & 0o077);
void main(givenWords()).then((code) => {
  process.exitCode = code;
});
