import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A plugin that writes down what it is asked, and gives what the protocol wants: a program like any other plugin. */
const plugin = (log: string, exit = 0) => `#!/bin/sh
input=$(cat)
echo "$CNI_COMMAND $CNI_CONTAINERID $CNI_IFNAME $(echo "$input" | grep -c prevResult)" >> ${log}
[ ${exit} = 0 ] || { echo '{"code": 7, "msg": "no more room"}'; exit 1; }
[ "$CNI_COMMAND" = DEL ] || echo '{"cniVersion": "0.4.0", "ips": [{"version": "4", "address": "192.0.2.5/24"}]}'
`;

let dir: string;
let cni: typeof import("../../src/network/cni.ts");
const saved = { path: process.env["CNI_PATH"], conf: process.env["CNI_CONF_PATH"] };
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), "caisson-cni-"));
  for (const [name, exit] of [
    ["one", 0],
    ["two", 0],
    ["full", 1],
  ] as const) {
    writeFileSync(join(dir, name), plugin(join(dir, "log"), exit));
    chmodSync(join(dir, name), 0o755);
  }
  const list = (name: string, ...types: string[]) =>
    writeFileSync(
      join(dir, `${name}.conflist`),
      JSON.stringify({ cniVersion: "0.4.0", name, plugins: types.map((type) => ({ type })) }),
    );
  list("good", "one", "two");
  list("bad", "one", "full");
  list("lacking", "nowhere");
  writeFileSync(join(dir, "single.conf"), JSON.stringify({ cniVersion: "0.4.0", name: "single", type: "one" }));
  writeFileSync(join(dir, "other.conf"), "[section]\nkey = 1\n");
  process.env["CNI_PATH"] = dir;
  process.env["CNI_CONF_PATH"] = dir;
  cni = await import("../../src/network/cni.ts");
});
afterAll(() => {
  rmSync(dir, { recursive: true });
  for (const [name, value] of [
    ["CNI_PATH", saved.path],
    ["CNI_CONF_PATH", saved.conf],
  ] as const)
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
});
const log = () => readFileSync(join(dir, "log"), "utf8").trim().split("\n");
const target = { container: "c1", namespace: "/proc/self/ns/net" };

test("plugins are asked in order, each with what those before it made, and let go in the other order", async () => {
  const network = cni.findCniNetwork("good");
  expect((await cni.cniAdd(network, target)).ips?.[0]?.address).toBe("192.0.2.5/24");
  await cni.cniDelete(network, target);
  expect(log()).toEqual(["ADD c1 eth0 0", "ADD c1 eth0 1", "DEL c1 eth0 0", "DEL c1 eth0 0"]);
});

test("a plugin that fails: its words, and what was done is undone", async () => {
  writeFileSync(join(dir, "log"), "");
  await expect(cni.cniAdd(cni.findCniNetwork("bad"), target)).rejects.toThrow(
    "network bad: the plugin full failed to connect c1: no more room",
  );
  expect(log()).toEqual(["ADD c1 eth0 0", "ADD c1 eth0 1", "DEL c1 eth0 0", "DEL c1 eth0 0"]);
});

test("a network that is not there, a plugin that is not there, a file that is no network's", () => {
  expect(cni.findCniNetwork("single").plugins.length).toBe(1);
  expect(() => cni.findCniNetwork("none")).toThrow(
    /network\.cni: "none" is not a network of .*: there are bad, good, lacking, single/,
  );
  expect(() => cni.findCniNetwork("lacking")).toThrow(/no plugin nowhere in/);
});
