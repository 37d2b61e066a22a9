import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { caisson } from "../helpers/command.ts";

const shell = (script: string) => {
  const { status, stdout, stderr } = spawnSync("sh", ["-c", script, "sh", caisson], { encoding: "utf8" });
  return { status, stdout, stderr };
};

test("what cannot be written is said, and its status tells", () => {
  const full = shell('"$1" --version > /dev/full');
  expect(full).toEqual({ status: 125, stdout: "", stderr: "caisson: write to standard output: ENOSPC\n" });
  expect(shell('"$1" no-such-command 2> /dev/full')).toEqual({ status: 125, stdout: "", stderr: "" });
  // Whoever reads is gone.
  expect(shell('{ sleep 0.3; "$1" --help; echo $? >&2; } | :').stderr).toBe("141\n");
});
