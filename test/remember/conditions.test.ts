import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performSteps } from "../../src/program/steps.ts";
import { type Condition, check, linkNow, modeNow, sameNow, textNow } from "../../src/remember/conditions.ts";

let dir: string;
let file: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "caisson-conditions-"));
  file = join(dir, "file");
});
afterAll(() => rmSync(dir, { recursive: true }));

const holds = async (...conditions: Condition[]) => {
  const done = await performSteps((s) => check(s, conditions));
  return done.failure === undefined;
};
const write = (text: string) => writeFileSync(file, text);

test("a text: another letter, more of it, less of it, none", async () => {
  for (const text of ["abc\n", "", "x".repeat(4096), "y".repeat(10_000)]) {
    write(text);
    const c = textNow(file);
    expect(await holds(c)).toBe(true);
    for (const other of [`${text}z`, text.slice(1), `Z${text.slice(1)}`, `${text.slice(0, -1)}Z`]) {
      if (other === text) continue;
      write(other);
      expect(await holds(c)).toBe(false);
    }
    rmSync(file);
    expect(await holds(c)).toBe(false);
  }
});

test("texts of the kernel, which are read record by record; a longer one before a shorter one", async () => {
  expect(await holds(textNow("/proc/self/mountinfo"), textNow("/proc/devices"))).toBe(true);
  write("long and longer");
  const long = textNow(file);
  const short = join(dir, "short");
  writeFileSync(short, "long");
  expect(await holds(long, textNow(short), long)).toBe(true);
});

test("a mode: type, permissions, and whether it is there at all", async () => {
  const [path, link] = [join(dir, "thing"), join(dir, "link")];
  symlinkSync(path, link);
  const nothing = modeNow(path, "followed");
  expect(await holds(nothing, modeNow(link, "followed"), modeNow(link, "itself"))).toBe(true);
  mkdirSync(path);
  expect(await holds(nothing)).toBe(false);
  const directory = modeNow(path, "followed");
  expect(await holds(directory, modeNow(link, "followed"))).toBe(true);
  chmodSync(path, 0o711);
  expect(await holds(directory)).toBe(false);
  rmSync(path, { recursive: true });
  writeFileSync(path, "", { mode: 0o755 });
  expect(await holds(directory)).toBe(false);
  const plain = modeNow(path, "itself");
  expect(await holds(plain)).toBe(true);
  renameSync(path, `${path}.2`);
  symlinkSync(`${path}.2`, path);
  expect(await holds(plain)).toBe(false);
});

test("the same file: not a copy, not one that was written to or whose time was set back", async () => {
  write("one");
  const c = sameNow(file);
  expect(await holds(c)).toBe(true);
  write("two");
  expect(await holds(c)).toBe(false);
  const second = sameNow(file);
  utimesSync(file, 1, 1);
  expect(await holds(second)).toBe(false);
  const third = sameNow(file);
  writeFileSync(`${file}.new`, "two");
  renameSync(`${file}.new`, file);
  expect(await holds(third)).toBe(false);
});

test("where a link leads", async () => {
  const link = join(dir, "leads");
  symlinkSync("/a", link);
  const c = linkNow(link);
  expect(await holds(c)).toBe(true);
  rmSync(link);
  expect(await holds(c)).toBe(false);
  symlinkSync("/ab", link);
  expect(await holds(c)).toBe(false);
});
