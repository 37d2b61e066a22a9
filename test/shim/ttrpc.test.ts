import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { Client } from "../../src/shim/ttrpc/client.ts";
import { FrameReader, frame, TYPE } from "../../src/shim/ttrpc/frames.ts";
import { listen } from "../../src/shim/ttrpc/server.ts";
import { CODE, StatusError } from "../../src/shim/ttrpc/status.ts";

const at = mkdtempSync(join(tmpdir(), "caisson-ttrpc-"));
const socket = join(at, "socket");
const server = await listen(socket, {
  "echo/Back": (payload) => payload,
  "echo/Later": async (payload) => {
    await Bun.sleep(payload[0] ?? 0);
    return payload;
  },
  "echo/Fail": () => {
    throw new StatusError("notFound", "no such thing");
  },
  "echo/Never": () => new Promise(() => {}),
});
afterAll(() => {
  server.close();
  rmSync(at, { recursive: true });
});

const frames = fc.array(
  fc.record({
    stream: fc.integer({ min: 1, max: 0xffffffff }),
    type: fc.constantFrom(TYPE.request, TYPE.response),
    payload: fc.uint8Array({ maxLength: 300 }),
  }),
  { maxLength: 10 },
);

test("frames come out as they went in, however they are cut", () => {
  fc.assert(
    fc.property(frames, fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }), (given, cuts) => {
      const bytes = Buffer.concat(given.map((f) => frame(f.stream, f.type, f.payload)));
      const reader = new FrameReader();
      const got: unknown[] = [];
      for (let from = 0, i = 0; from < bytes.length; i++) {
        const to = from + (cuts[i % cuts.length] ?? 1);
        for (const f of reader.read(bytes.subarray(from, to))) got.push({ ...f, payload: f.payload.slice() });
        from = to;
      }
      expect(got).toEqual(given);
    }),
  );
});

test("calls on one connection are answered each by itself, in whatever order", async () => {
  const client = await Client.connect(socket);
  const order: number[] = [];
  const calls = [60, 30, 1].map(async (ms) => {
    const [answer] = await client.call("echo", "Later", new Uint8Array([ms]), 5000);
    order.push(answer ?? -1);
  });
  await Promise.all(calls);
  expect(order).toEqual([1, 30, 60]);
  const long = new Uint8Array(1 << 20).fill(7);
  expect(await client.call("echo", "Back", long, 5000)).toEqual(long);
  client.close();
});

test("errors have their code and their words; a method that is not there is one", async () => {
  const client = await Client.connect(socket);
  const none = new Uint8Array();
  await expect(client.call("echo", "Fail", none, 5000)).rejects.toMatchObject({
    code: CODE.notFound,
    message: "no such thing",
  });
  await expect(client.call("echo", "constructor", none, 5000)).rejects.toMatchObject({ code: CODE.unimplemented });
  await expect(client.call("echo", "Never", none, 30)).rejects.toMatchObject({ code: CODE.deadlineExceeded });
  client.close();
  await expect(client.call("echo", "Back", none, 1000)).rejects.toThrow();
});

test("a message that is too long, or none at all, ends its connection and no other", async () => {
  const client = await Client.connect(socket);
  for (const bytes of [new Uint8Array(10).fill(0xff), frame(1, TYPE.request, new Uint8Array([0xff, 0xff]))]) {
    const bad = connect(socket);
    const answer = new Promise<Buffer>((resolve) => {
      const got: Buffer[] = [];
      bad.on("data", (d) => {
        got.push(d);
        bad.end();
      });
      bad.on("error", () => {});
      bad.on("close", () => resolve(Buffer.concat(got)));
    });
    bad.write(bytes);
    await answer;
    expect(await client.call("echo", "Back", new Uint8Array([1]), 1000)).toEqual(new Uint8Array([1]));
  }
  client.close();
});
