import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { caisson } from "../helpers/command.ts";
import { isRoot } from "../helpers/machine.ts";

const why = isRoot ? "" : "needs root";
const given = (words: readonly string[], env: NodeJS.ProcessEnv = {}) => {
  const { PATH = "" } = process.env;
  const { stdout, stderr } = spawnSync(caisson, words, {
    env: { PATH, ...env },
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });
  return `${stderr}${stdout}`.split("\n").filter((line) => !/^(PATH|HOME|HOSTNAME)=/.test(line) && line !== "");
};
const TOLD = "BUN_JSC_useJIT";

test.skipIf(why !== "")(
  `an engine that is not for long is told so, in its environment${why && ` (skipped: ${why})`}`,
  () => {
    const line = ["--env", TOLD, "--", "env"];
    expect(given(["run", ...line])).toEqual([`${TOLD}=0`]);
    expect(given(["run", ...line], { [TOLD]: "1" })).toEqual([`${TOLD}=1`]);
    expect(given(["run", "--report-blocked", ...line])).toEqual([]);
  },
);

test.skipIf(why !== "")("its words and its environment are else as they were", () => {
  const env = Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`V${i}`, "x".repeat(i)]));
  const words = Array.from({ length: 300 }, (_, i) => `word ${i}`);
  const names = Object.keys(env).flatMap((name) => ["--env", name]);
  const sums = 'env | grep -v ^HOSTNAME= | sort | md5sum; printf "%s\\n" "$@" | md5sum';
  const summed = (...options: string[]) =>
    given(["run", ...options, ...names, "--", "sh", "-c", sums, "sh", ...words], env);
  expect(summed()).toEqual(summed("--report-blocked"));
  const shown = given(["run", ...names, "--", "sh", "-c", "env | grep -c ^V; echo $#", "sh", ...words], env);
  expect(shown).toEqual(["500", "300"]);
});
