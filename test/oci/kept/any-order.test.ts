import { expect, test } from "bun:test";
import fc from "fast-check";
import type { Mount } from "../../../src/compile/spec.ts";
import { inOneOrder } from "../../../src/oci/kept/any-order.ts";
import { performSteps } from "../../../src/program/steps.ts";
import { textBlock } from "../../../src/program/values.ts";
import { checkAnyOrder } from "../../../src/remember/any-order.ts";

const bind = (destination: string): Mount => ({ destination, type: "bind", source: `/of${destination}` });
const proc: Mount = { destination: "/proc", type: "proc", source: "proc" };
const sys: Mount = { destination: "/sys", type: "sysfs", source: "sysfs" };
const config = (mounts: readonly Mount[]) => JSON.stringify({ hostname: "é", mounts, linux: {} });

test("binds in a row, whatever their order, are the same text", () => {
  const row = ["/etc/hosts", "/etc/hostname", "/run/env"].map(bind);
  const [hosts, hostname, env] = row as [Mount, Mount, Mount];
  const one = inOneOrder(config([proc, hosts, hostname, env, sys]));
  expect(one).toBeDefined();
  for (const order of [
    [env, hosts, hostname],
    [hostname, env, hosts],
  ])
    expect(inOneOrder(config([proc, ...order, sys]))).toEqual(one as NonNullable<typeof one>);
  // A place among others is a part of it.
  expect(inOneOrder(config([...row, proc, sys]))?.text).not.toBe(one?.text);
});

test("no others: one alone, what is above another, what is written in a way of its own, and what nothing follows", () => {
  const [a, b] = [bind("/a"), bind("/b")];
  expect(inOneOrder(config([proc, a, b, sys]))).toBeDefined();
  for (const mounts of [
    [],
    [proc, a, sys, b, proc],
    [proc, a, bind("/a/b"), sys],
    [proc, a, a, sys],
    [proc, a, bind("/a/../b"), sys],
    [proc, bind("/a/"), bind("/a/b"), sys],
    [proc, a, bind("b"), { ...bind("/c"), type: "tmpfs" }, sys],
    [proc, a, b],
  ])
    expect(inOneOrder(config(mounts))).toBeUndefined();
  expect(inOneOrder(config([proc, a, b, sys]).replace('"/a"', '"\\/a"'))).toBeUndefined();
  expect(inOneOrder(JSON.stringify({ mounts: null }))).toBeUndefined();
  expect(inOneOrder("{}")).toBeUndefined();
});

/** Whether the executor takes a text for one in this order. */
async function isTaken(given: string, text: string, free: Parameters<typeof checkAnyOrder>[4]): Promise<boolean> {
  const done = await performSteps((s) => checkAnyOrder(s, "it", textBlock(`${given}\0`), text, free));
  return done.failure === undefined;
}

test("the executor takes the same pieces in any order, and nothing else", async () => {
  const pieces = ["{1},", "{22},", "{1,1},", "{},"];
  const whole = (middle: readonly string[]) => `é[${middle.join("")}]`;
  const text = whole(pieces);
  const free = { at: Buffer.byteLength("é["), pieces };
  await fc.assert(
    fc.asyncProperty(fc.shuffledSubarray(pieces, { minLength: 4 }), async (order) => isTaken(whole(order), text, free)),
    { numRuns: 30 },
  );
  const given = fc.array(fc.constantFrom(...pieces, "x", ",", "{22}"), { maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(given, async (middle) => {
      const isSame = [...middle].sort().join(" ") === [...pieces].sort().join(" ");
      return (await isTaken(whole(middle), text, free)) === isSame;
    }),
    { numRuns: 100 },
  );
  for (const other of [`${text} `, ` ${text}`, text.slice(1), text.slice(0, -1), text.replace("é", "è"), ""])
    expect(await isTaken(other.padEnd(text.length, "\0"), text, free)).toBe(false);
});
