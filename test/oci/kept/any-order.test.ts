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
  expect(one.free).toHaveLength(1);
  for (const order of [
    [env, hosts, hostname],
    [hostname, env, hosts],
  ])
    expect(inOneOrder(config([proc, ...order, sys]))).toEqual(one);
  // A place among others is a part of it.
  expect(inOneOrder(config([...row, proc, sys])).text).not.toBe(one.text);
});

test("no others: one alone, what is above another, what is written in a way of its own, and what nothing follows", () => {
  const [a, b] = [bind("/a"), bind("/b")];
  expect(inOneOrder(config([proc, a, b, sys])).free).toHaveLength(1);
  const texts = [
    [],
    [proc, a, sys, b, proc],
    [proc, a, bind("/a/b"), sys],
    [proc, a, a, sys],
    [proc, a, bind("/a/../b"), sys],
    [proc, bind("/a/"), bind("/a/b"), sys],
    [proc, a, bind("b"), { ...bind("/c"), type: "tmpfs" }, sys],
    [proc, a, b],
  ].map(config);
  const odd = config([proc, a, b, sys]).replace('"/a"', '"\\/a"');
  for (const text of [...texts, odd, JSON.stringify({ mounts: null }), "{}"])
    expect(inOneOrder(text)).toEqual({ text, free: [] });
});

test("the environment of podman's containers, but for its last word; nobody else's, and none with a name twice", () => {
  const said = (env: readonly string[], manager = "libpod") =>
    JSON.stringify({ process: { env }, mounts: [], annotations: { "io.container.manager": manager } });
  const [one, other] = [inOneOrder(said(["B=2", "A=1", "C=3"])), inOneOrder(said(["A=1", "B=2", "C=3"]))];
  expect(one).toEqual(other);
  expect(one.free).toMatchObject([{ pieces: ['"A=1",', '"B=2",'] }]);
  for (const text of [
    said(["B=2", "A=1", "C=3"], "somebody"),
    said(["A=2", "A=1", "C=3"]),
    said(["C=2", "A=1", "C=3"]),
    said(["B=2", "A=1"]),
    said(["B=<", "A=1", "C=3"]).replace("<", "\\u003c"),
  ])
    expect(inOneOrder(text)).toEqual({ text, free: [] });
});

test("both, in a configuration of more than ASCII", () => {
  const text = (env: readonly string[], mounts: readonly Mount[]) =>
    JSON.stringify({
      process: { args: ["é"], env },
      mounts: [...mounts, sys],
      annotations: { "io.container.manager": "libpod" },
    });
  const [a, b] = [bind("/a"), bind("/ü")];
  const one = inOneOrder(text(["B=ß", "A=1", "C=3"], [b, a]));
  expect(inOneOrder(text(["A=1", "B=ß", "C=3"], [a, b]))).toEqual(one);
  const bytes = Buffer.from(one.text);
  for (const { at, pieces } of one.free) expect(bytes.subarray(at).toString()).toStartWith(pieces.join(""));
  expect(one.free.map((f) => f.pieces.length)).toEqual([2, 2]);
});

const orders = (pieces: readonly string[]): string[] =>
  pieces.length === 0
    ? [""]
    : pieces.flatMap((piece, i) => orders(pieces.filter((_, j) => j !== i)).map((rest) => piece + rest));

/** Whether the executor takes a text for one in this order. */
async function isTaken(given: string, text: string, free: Parameters<typeof checkAnyOrder>[4]): Promise<boolean> {
  const done = await performSteps((s) => checkAnyOrder(s, "it", textBlock(`${given}\0`), text, free));
  return done.failure === undefined;
}

test("the executor takes the same pieces in any order, and nothing else", async () => {
  const pieces = ["{1},", "{22},", "{1,1},", "{},"];
  const whole = (middle: readonly string[]) => `é[${middle.join("")}]`;
  const text = whole(pieces);
  const free = [{ at: Buffer.byteLength("é["), pieces }];
  await fc.assert(
    fc.asyncProperty(fc.shuffledSubarray(pieces, { minLength: 4 }), async (order) => isTaken(whole(order), text, free)),
    { numRuns: 30 },
  );
  const given = fc.array(fc.constantFrom(...pieces, "x", ",", "{22}"), { maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(given, async (middle) => {
      return (await isTaken(whole(middle), text, free)) === orders(pieces).includes(middle.join(""));
    }),
    { numRuns: 100 },
  );
  for (const other of [`${text} `, ` ${text}`, text.slice(1), text.slice(0, -1), text.replace("é", "è"), ""])
    expect(await isTaken(other.padEnd(text.length, "\0"), text, free)).toBe(false);
});

test("of two places each has its own pieces", async () => {
  const [first, second] = [
    ["a,", "bb,"],
    ["1,", "22,", "333,"],
  ];
  const text = "<a,bb,>é<1,22,333,>";
  const free = [
    { at: 1, pieces: first as string[] },
    { at: Buffer.byteLength("<a,bb,>é<"), pieces: second as string[] },
  ];
  for (const given of [text, "<bb,a,>é<333,1,22,>", "<a,bb,>é<22,1,333,>"])
    expect(await isTaken(given, text, free)).toBe(true);
  for (const given of ["<bb,a,>e<333,1,22,>", "<1,22,>é<a,bb,333,>", "<a,bb,>é<333,1,22,<", ">a,bb,>é<1,22,333,>"])
    expect(await isTaken(given.padEnd(text.length, "\0"), text, free)).toBe(false);
});
