import { expect, test } from "bun:test";
import type { ContainerOptions } from "../../src/container/options.ts";
import { prepare } from "../../src/container/prepare.ts";
import { optionNames } from "../../src/container/shape.ts";
import { ControlGroup, containerPool, createNetwork, createPod, removeNetwork, run } from "../../src/index.ts";
import { CaissonError } from "../../src/values/errors.ts";

const junk: readonly unknown[] = [
  ...[null, true, 0, -1, 1.5, Number.NaN, 2n, "", "x", "/x", "a=b", "\0", () => 0, Symbol.iterator],
  ...[
    [],
    [null],
    ["x"],
    [1],
    {},
    { x: null },
    { x: 1 },
    { x: "y" },
    { "/x": null },
    { "/x": {} },
    { "/x": "y" },
    { uid: 1, gid: "x" },
  ],
];

/** What an untyped caller may give. Nothing is touched: it is only looked at. */
for (const name of optionNames)
  test(`whatever ${name} is, it is taken or refused in words`, async () => {
    for (const value of junk) {
      const given = { [name]: value } as unknown as ContainerOptions;
      await prepare(given, ["true"]).catch((e: unknown) => {
        if (!(e instanceof CaissonError))
          throw new Error(`${name}: ${String(typeof value === "object" ? JSON.stringify(value) : String(value))}`, {
            cause: e,
          });
        expect(e.message.split("\n").length).toBe(1);
      });
    }
  });

const nested: Readonly<Record<string, readonly (readonly [string, object])[]>> = {
  network: ["address", "mac", "ports", "egress", "bandwidth", "dns", "gateway", "mode"].flatMap((key) => [
    [key, { bridge: "junk0" }] as const,
    [key, { macvlan: "eth0", address: "192.0.2.1/24" }] as const,
    [key, { pasta: true }] as const,
  ]),
  namespaces: ["mount", "uts", "ipc", "pid", "network", "cgroup", "time", "user"].map((key) => [key, {}] as const),
  ulimits: ["nofile", "core"].map((key) => [key, {}] as const),
  limits: ["memory", "cpu", "pids", "cpuset", "io", "devices", "hugetlb", "rdma", "misc"].map(
    (key) => [key, {}] as const,
  ),
  onSyscall: [["mkdirat", {}]],
};
const kinds = ["bridge", "path", "container", "macvlan", "ipvlan", "cni", "pasta"];

async function refusedInWords(given: object): Promise<void> {
  await prepare(given as ContainerOptions, ["true"]).catch((e: unknown) => {
    if (!(e instanceof CaissonError)) throw new Error(Bun.inspect(given), { cause: e });
    expect(e.message.split("\n").length).toBe(1);
  });
}

for (const [name, keys] of Object.entries(nested))
  test(`whatever is in ${name}, it is taken or refused in words`, async () => {
    for (const [key, rest] of keys)
      for (const value of junk) await refusedInWords({ [name]: { ...rest, [key]: value } });
  });

test("whatever kind of network is named, and whatever is in a limit", async () => {
  for (const value of junk) {
    for (const kind of kinds) await refusedInWords({ network: { [kind]: value } });
    for (const [controller, key] of [
      ...["min", "low", "high", "max", "swap", "oomGroup", "oomKill"].map((k) => ["memory", k] as const),
      ...["max", "weight", "period", "burst", "idle", "shares", "uclamp"].map((k) => ["cpu", k] as const),
      ...["cpus", "mems", "partition"].map((k) => ["cpuset", k] as const),
      ...["weight", "devices", "cost"].map((k) => ["io", k] as const),
      ...["allow", "deny", "default"].map((k) => ["devices", k] as const),
      ...[
        ["pids", "max"],
        ["hugetlb", "2MB"],
        ["rdma", "mlx4_0"],
        ["misc", "sev"],
      ].map(([c, k]) => [c, k] as const),
    ] as [string, string][])
      await refusedInWords({ limits: { [controller]: { [key]: value } } });
    for (const ports of [[value], [{ container: value }], [{ host: value, container: 80 }]])
      await refusedInWords({ network: { bridge: "junk0", ports } });
    for (const [field, list] of [
      ["egress", { allow: value }],
      ["egress", { allow: [value] }],
      ["bandwidth", { download: value }],
      ["dns", [value]],
    ] as const)
      await refusedInWords({ network: { bridge: "junk0", [field]: list } });
    await refusedInWords({ ulimits: { nofile: [value, value] } });
    await refusedInWords({ namespaces: { uts: { path: value } } });
    await refusedInWords({ namespaces: { uts: { container: value } } });
    await refusedInWords({ limits: { io: { devices: { "/dev/null": { read: value } } } } });
  }
});

test("what is undefined is not given", async () => {
  const nothing = Object.fromEntries(optionNames.map((name) => [name, undefined]));
  await prepare(
    { ...nothing, limits: { memory: undefined, pids: { max: undefined } }, clock: { monotonic: undefined } } as never,
    ["true"],
  );
});

/** What no caller means: whoever takes one of these would make something of it. */
const nothing = junk.filter(
  (v) => typeof v !== "string" && !(typeof v === "object" && v !== null && !Array.isArray(v)),
);

test("commands, streams, names of groups, networks and pods", async () => {
  const command = ["true"];
  const calls: readonly ((v: never) => unknown)[] = [
    (v) => run(v),
    (v) => run([v]),
    (v) => run(command, { input: v }),
    (v) => run(command, { stdout: v }),
    (v) => run(command, { stderr: v }),
    (v) => run(command, { signal: v }),
    (v) => containerPool({ size: v }),
    (v) => ControlGroup.create(v),
    (v) => ControlGroup.create("junk/none", v),
    (v) => ControlGroup.open(v),
    (v) => createNetwork(v),
    (v) => createNetwork("junk", v),
    (v) => createNetwork("junk", { subnet: v }),
    (v) => removeNetwork(v),
    (v) => createPod(v),
    (v) => createPod({ name: v }),
    (v) => createPod({ namespaces: v }),
  ];
  for (const call of calls)
    for (const value of nothing.filter(
      (v) => !(Array.isArray(v) && v.length === 0) && !(Array.isArray(v) && v[0] === "x"),
    ))
      await Promise.resolve()
        .then(() => call(value as never))
        .then(
          () => Promise.reject(new Error(`${call} took ${Bun.inspect(value)}`)),
          (e: unknown) => {
            if (!(e instanceof CaissonError)) throw new Error(`${call} of ${Bun.inspect(value)}`, { cause: e });
          },
        );
  // The commonest of all mistakes.
  await expect(run("ls -l" as never)).rejects.toThrow(
    'command: "ls -l" is not a list of texts, with at least one: nothing splits a line',
  );
  await expect(run([])).rejects.toThrow("command: [] is not a list of texts");
});
