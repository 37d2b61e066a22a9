import { expect, test } from "bun:test";
import { distance, meant } from "../../src/cli/meant.ts";
import { sh } from "../helpers/command.ts";

test("how far words are from each other", () => {
  for (const [a, b, d] of [
    ["", "", 0],
    ["stop", "stop", 0],
    ["sop", "stop", 1],
    ["stpo", "stop", 1],
    ["--memroy", "--memory", 1],
    ["kitten", "sitting", 3],
    ["", "abc", 3],
  ] as const) {
    expect(distance(a, b)).toBe(d);
    expect(distance(b, a)).toBe(d);
  }
});

test("what is meant is said only where it is near, or Docker's", () => {
  const known = ["--memory", "--cpus", "--name"];
  expect(meant("--memroy", known)).toBe("; --memory is one");
  expect(meant("--cpu", known)).toBe("; --cpus is one");
  expect(meant("--nonsense", known)).toBe("");
  expect(meant("--x", known)).toBe("");
  expect(meant("--entrypoint", known)).toContain("; here it is COMMAND");
  expect(meant("constructor", [])).toBe("");
});

test("the command line says it", async () => {
  const said = async (...words: string[]) => {
    const { code, err } = await sh(...words);
    expect(code).toBe(125);
    return err;
  };
  expect(await said("run", "--memroy", "1G", "--", "true")).toBe(
    'caisson: caisson run: "--memroy" is not an option; --memory is one ("caisson run --help" lists the options)\n',
  );
  expect(await said("sotp", "x")).toContain('COMMAND: "sotp" is not a command; stop is one; known are run,');
  expect(await said("group", "lst")).toContain(
    '"group lst" is not a command; group list is one; known are group list,',
  );
  expect(await said("run", "--cpu-shares", "5", "true")).toContain("--cpu-weight");
});

test("words that a command has no use for are refused", async () => {
  for (const [words, expected] of [
    [["ps", "x"], 'caisson ps: "x" is not of use: it takes no words'],
    [["doctor", "x"], 'caisson doctor: "x" is not of use: it takes no words'],
    [["logs", "a", "b"], 'caisson logs: "b" is not of use: it takes NAME'],
    [["diff", "a", "b"], 'caisson diff: "b" is not of use: it takes NAME'],
    [["completion", "bash", "x"], '"x" is not of use: it takes bash|zsh'],
    [["cp", "a:b", "c", "d"], '"d" is not of use: it takes SOURCE DESTINATION'],
    [["group", "tree", "a", "b"], '"b" is not of use: it takes [GROUP]'],
  ] as const) {
    const { code, err } = await sh(...words);
    expect(err).toContain(expected);
    expect(code).toBe(125);
  }
});
