import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, type DescMessage, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { EmptySchema } from "@bufbuild/protobuf/wkt";
import { startProgram } from "../../src/container/start.ts";
import { startable } from "../../src/container/templates.ts";
import { prepareCreate } from "../../src/oci/create.ts";
import { remove } from "../../src/oci/delete.ts";
import { inject } from "../../src/program/inject.ts";
import { launcher } from "../../src/program/launcher.ts";
import type { Program, Step } from "../../src/program/types.ts";
import { globalOf } from "../../src/shim/global.ts";
import { TaskExitSchema } from "../../src/shim/protocol/events_pb.ts";
import { CheckpointOptionsSchema } from "../../src/shim/protocol/options_pb.ts";
import * as m from "../../src/shim/protocol/task_pb.ts";
import { RESERVATIONS } from "../../src/shim/reservations.ts";
import { services } from "../../src/shim/service.ts";
import { Client } from "../../src/shim/ttrpc/client.ts";
import { listen } from "../../src/shim/ttrpc/server.ts";
import { CODE } from "../../src/shim/ttrpc/status.ts";
import { Bundle, linux } from "../conformance/bundle.ts";
import { whyNoCriu } from "../helpers/criu.ts";
import { rounds, someOf } from "../helpers/emulated.ts";
import { isRoot, leftovers, settled } from "../helpers/machine.ts";

/** The shim's service with containers of the kernel's; the test is what containerd is: it calls, and takes the events. */
const at = mkdtempSync(join(tmpdir(), "caisson-shim-"));
const events: { topic: string; value: Uint8Array }[] = [];
let idle = 0;
let client: Client;
let before: ReturnType<typeof leftovers>;
const NAMESPACE = "caisson-test";
const root = join(at, "root");

beforeAll(async () => {
  if (!isRoot) return;
  process.env["CAISSON_ROOT"] = at;
  launcher();
  await listen(join(at, "events"), {
    "containerd.services.events.ttrpc.v1.Events/Forward": (payload) => {
      const { envelope } = fromBinary(m.ForwardRequestSchema, payload);
      expect(envelope?.namespace).toBe(NAMESPACE);
      events.push({ topic: envelope?.topic ?? "", value: envelope?.event?.value ?? new Uint8Array() });
      return new Uint8Array();
    },
  });
  await listen(join(at, "shim"), services({ namespace: NAMESPACE, idle: () => idle++ }).methods);
  client = await Client.connect(join(at, "shim"));
  before = await settled();
});
afterEach(() => {
  events.length = 0;
});
afterAll(async () => {
  delete process.env["CAISSON_ROOT"];
  if (isRoot) expect(await settled()).toEqual(before);
  rmSync(at, { recursive: true });
});

async function call<I extends DescMessage, O extends DescMessage>(
  name: string,
  input: I,
  request: MessageInitShape<I>,
  output: O,
) {
  const service = name === "Reserve" ? RESERVATIONS : "containerd.task.v2.Task";
  return fromBinary(output, await client.call(service, name, toBinary(input, create(input, request)), 20_000));
}
const which = <O extends DescMessage>(name: string, id: string, output: O, execId = "") =>
  call(name, m.WhichSchema, { id, execId }, output);
const topics = () => events.map((e) => e.topic.slice("/tasks/".length));
async function until(what: string, done: () => boolean): Promise<void> {
  for (let i = 0; i < 400 && !done(); i++) await Bun.sleep(10);
  if (!done()) throw new Error(`waited in vain for ${what}; events: ${topics()}`);
}

type More = { readonly stdin?: string; readonly stdout?: string; readonly checkpoint?: string };
async function makeTask(b: Bundle, more: More = {}): Promise<number> {
  await call("Reserve", m.ReserveRequestSchema, { id: b.id, bundle: b.at, publish: join(at, "events") }, EmptySchema);
  return (await call("Create", m.CreateRequestSchema, { id: b.id, bundle: b.at, ...more }, m.PidResponseSchema)).pid;
}
const execSpec = (args: string[]) => ({
  typeUrl: "types.containerd.io/opencontainers/runtime-spec/1/Process",
  value: new TextEncoder().encode(JSON.stringify({ args, cwd: "/", user: { uid: 0, gid: 0 }, env: ["PATH=/bin"] })),
});
const fifo = (name: string) => {
  const path = join(at, name);
  Bun.spawnSync(["mkfifo", path]);
  return path;
};

test.skipIf(!isRoot)("from its creation to its end, with what containerd is told of", async () => {
  using b = new Bundle(["sh", "-c", "cat; exit 5"]);
  const [stdin, stdout] = [fifo("in"), fifo("out")];
  const [writer, reader] = [open(stdin, "w"), open(stdout, "r")];
  const pid = await makeTask(b, { stdin, stdout });
  expect(existsSync(`/proc/${pid}`)).toBe(true);
  expect(await which("State", b.id, m.StateResponseSchema)).toMatchObject({ pid, status: 1, bundle: b.at });
  expect(await which("Start", b.id, m.PidResponseSchema)).toMatchObject({ pid });
  const ended = which("Wait", b.id, m.WaitResponseSchema);
  await (await writer).writeFile("through both");
  await (await writer).close();
  expect(await (await reader).readFile("utf8")).toBe("through both");
  await (await reader).close();
  expect(await ended).toMatchObject({ exitStatus: 5 });
  expect(await which("State", b.id, m.StateResponseSchema)).toMatchObject({ status: 3, exitStatus: 5 });
  expect(await which("Delete", b.id, m.DeleteResponseSchema)).toMatchObject({ pid, exitStatus: 5 });
  await until("all events", () => topics().includes("delete"));
  expect(topics()).toEqual(["create", "start", "exit", "delete"]);
  const exit = fromBinary(TaskExitSchema, events[2]?.value ?? new Uint8Array());
  expect(exit).toMatchObject({ containerId: b.id, id: b.id, pid, exitStatus: 5 });
  expect(Math.abs(Number(exit.exitedAt?.seconds) - Date.now() / 1000)).toBeLessThan(60);
  const was = idle;
  await call("Shutdown", m.ShutdownRequestSchema, { id: b.id }, EmptySchema);
  expect(idle).toBe(was + 1);
});

const why = whyNoCriu();
test.skipIf(why !== "")(
  `is written down by criu, goes on or ends, and is made again${why && ` (skipped: ${why})`}`,
  async () => {
    using b = new Bundle(["sh", "-c", "trap 'exit 0' TERM; i=0; while true; do echo $((i += 1)); sleep 0.05; done"]);
    const [stdin, stdout] = [fifo("written-in"), fifo("written-out")];
    const ends = await Promise.all([open(stdin, "r+"), open(stdout, "r+")]);
    await makeTask(b, { stdin, stdout });
    const { pid } = await which("Start", b.id, m.PidResponseSchema);
    const checkpoint = (path: string, more: MessageInitShape<typeof CheckpointOptionsSchema> = {}) => {
      mkdirSync(path);
      const value = toBinary(CheckpointOptionsSchema, create(CheckpointOptionsSchema, more));
      const options = { typeUrl: CheckpointOptionsSchema.typeName, value };
      return call("Checkpoint", m.CheckpointRequestSchema, { id: b.id, path, options }, EmptySchema);
    };
    const [first, second, third] = ["first", "second", "third"].map((n) => join(b.at, n)) as [string, string, string];
    await checkpoint(first);
    expect(readdirSync(first)).toContain("inventory.img");
    expect(existsSync(join(b.at, "criu-work"))).toBe(false);
    expect(await which("State", b.id, m.StateResponseSchema)).toMatchObject({ pid, status: 2 });
    // containerd pauses what it writes down.
    await which("Pause", b.id, EmptySchema);
    await checkpoint(second, { workPath: join(b.at, "work") });
    expect(readdirSync(join(b.at, "work"))).toContain("dump.log");
    expect(await which("State", b.id, m.StateResponseSchema)).toMatchObject({ pid, status: 4 });
    await which("Resume", b.id, EmptySchema);
    await expect(checkpoint(join(b.at, "bad"), { cgroupsMode: "some" })).rejects.toThrow("is not one of ignore");
    await checkpoint(third, { exit: true });
    expect(await which("Wait", b.id, m.WaitResponseSchema)).toMatchObject({ exitStatus: 137 });
    expect(await which("Delete", b.id, m.DeleteResponseSchema)).toMatchObject({ pid, exitStatus: 137 });
    await until("all events", () => topics().includes("delete"));
    expect(topics().filter((t) => t === "checkpointed")).toHaveLength(3);
    // Made again of that, on other streams of the same names, it goes on where it was.
    events.length = 0;
    const counted = async () => (await ends[1].read(Buffer.alloc(1 << 16))).buffer.toString().match(/\d+(?=\n)/g) ?? [];
    const was = Number((await counted()).at(-1));
    expect(await makeTask(b, { stdin, stdout, checkpoint: third })).toBe(0);
    expect(await which("State", b.id, m.StateResponseSchema)).toMatchObject({ pid: 0, status: 1 });
    const { pid: again } = await which("Start", b.id, m.PidResponseSchema);
    expect(await which("State", b.id, m.StateResponseSchema)).toMatchObject({ pid: again, status: 2 });
    expect(Number((await counted())[0])).toBe(was + 1);
    const spec = execSpec(["sh", "-c", "exit 8"]);
    await call("Exec", m.ExecRequestSchema, { id: b.id, execId: "x", spec }, EmptySchema);
    await which("Start", b.id, m.PidResponseSchema, "x");
    expect(await which("Wait", b.id, m.WaitResponseSchema, "x")).toMatchObject({ exitStatus: 8 });
    await call("Kill", m.KillRequestSchema, { id: b.id, signal: 15 }, EmptySchema);
    expect(await which("Wait", b.id, m.WaitResponseSchema)).toMatchObject({ exitStatus: 0 });
    expect(await which("Delete", b.id, m.DeleteResponseSchema)).toMatchObject({ pid: again, exitStatus: 0 });
    await until("all events", () => topics().includes("delete"));
    expect(topics().filter((t) => !t.startsWith("exec"))).toEqual(["create", "start", "exit", "exit", "delete"]);
    // What criu does not understand is found at the start; what was never started is deleted like any other.
    const broken = join(b.at, "broken");
    mkdirSync(broken);
    writeFileSync(join(broken, "inventory.img"), "not criu's");
    await makeTask(b, { stdin, stdout, checkpoint: broken });
    await expect(which("Start", b.id, m.PidResponseSchema)).rejects.toThrow(/^restore .*: criu failed: Magic/);
    expect(existsSync(join(root, b.id))).toBe(false);
    const kill = call("Kill", m.KillRequestSchema, { id: b.id, signal: 9 }, EmptySchema);
    await expect(kill).rejects.toMatchObject({ code: CODE.notFound });
    expect(await which("Delete", b.id, m.DeleteResponseSchema)).toMatchObject({ pid: 0, exitStatus: 0 });
    // It is as the runtime's own command has it, with FIFOs in the place of these.
    const words = b.words("restore", "--detach", "--image-path", first, b.id);
    const restored = Bun.spawnSync(["sh", "-c", `exec "$@" <${stdin} >${stdout}`, "sh", ...words], { cwd: b.at });
    for (const end of ends) await end.close();
    expect([restored.exitCode, restored.stderr.toString()]).toEqual([0, ""]);
    expect(b.state_().status).toBe("running");
  },
);

test.skipIf(!isRoot)("of two that delete it at once one does, and what has its id by then is not touched", async () => {
  using b = new Bundle(["true"]);
  await makeTask(b);
  await which("Start", b.id, m.PidResponseSchema);
  await which("Wait", b.id, m.WaitResponseSchema);
  const first = which("Delete", b.id, m.DeleteResponseSchema);
  const second = which("Delete", b.id, m.DeleteResponseSchema).catch((e: { code: number }) => e.code);
  await first;
  const pid = await makeTask(b);
  expect(await second).toBe(CODE.notFound);
  expect(await which("State", b.id, m.StateResponseSchema)).toMatchObject({ pid, status: 1 });
  expect(topics()).toEqual(["create", "start", "exit", "delete", "create"]);
  await which("Delete", b.id, m.DeleteResponseSchema);
});

test.skipIf(!isRoot)("other processes in it, its pause, its figures, a limit that is changed", async () => {
  using b = new Bundle(["sleep", "1000"], linux({ resources: { memory: { limit: 64 << 20 }, pids: { limit: 40 } } }));
  await makeTask(b);
  await which("Start", b.id, m.PidResponseSchema);
  await call(
    "Exec",
    m.ExecRequestSchema,
    { id: b.id, execId: "x", spec: execSpec(["sh", "-c", "exit 9"]) },
    EmptySchema,
  );
  const { pid } = await which("Start", b.id, m.PidResponseSchema, "x");
  expect(await which("Wait", b.id, m.WaitResponseSchema, "x")).toMatchObject({ exitStatus: 9 });
  expect(await which("Delete", b.id, m.DeleteResponseSchema, "x")).toMatchObject({ pid, exitStatus: 9 });
  await call("Exec", m.ExecRequestSchema, { id: b.id, execId: "y", spec: execSpec(["sleep", "999"]) }, EmptySchema);
  const y = await which("Start", b.id, m.PidResponseSchema, "y");
  const { processes } = await which("Pids", b.id, m.PidsResponseSchema);
  expect(processes.find((p) => p.pid === y.pid)?.info?.typeUrl).toContain("ProcessDetails");
  expect(processes).toHaveLength(2);
  await which("Pause", b.id, EmptySchema);
  expect(await which("State", b.id, m.StateResponseSchema)).toMatchObject({ status: 4 });
  await which("Resume", b.id, EmptySchema);
  const { stats } = await which("Stats", b.id, m.StatsResponseSchema);
  expect(stats?.typeUrl).toMatch(/^io\.containerd\.cgroups\.v[12]\.Metrics$/);
  const resources = { typeUrl: "", value: new TextEncoder().encode(JSON.stringify({ pids: { limit: 5 } })) };
  await call("Update", m.UpdateRequestSchema, { id: b.id, resources }, EmptySchema);
  const forks = execSpec(["sh", "-c", "sleep 1 & sleep 1 & sleep 1 & wait"]);
  await call("Exec", m.ExecRequestSchema, { id: b.id, execId: "z", spec: forks }, EmptySchema);
  await which("Start", b.id, m.PidResponseSchema, "z");
  expect((await which("Wait", b.id, m.WaitResponseSchema, "z")).exitStatus).not.toBe(0);
  await expect(which("Delete", b.id, m.DeleteResponseSchema)).rejects.toMatchObject({ code: CODE.failedPrecondition });
  await call("Kill", m.KillRequestSchema, { id: b.id, signal: 9 }, EmptySchema);
  expect(await which("Wait", b.id, m.WaitResponseSchema)).toMatchObject({ exitStatus: 137 });
  await expect(call("Kill", m.KillRequestSchema, { id: b.id, signal: 9 }, EmptySchema)).rejects.toMatchObject({
    code: CODE.notFound,
  });
  await which("Delete", b.id, m.DeleteResponseSchema);
  await until("all events", () => topics().includes("delete"));
  expect(topics().filter((t) => t !== "exit")).toEqual(
    ["create", "start", "exec-added", "exec-started", "exec-added", "exec-started", "paused", "resumed"].concat(
      ...["exec-added", "exec-started", "delete"],
    ),
  );
  expect(topics().filter((t) => t === "exit")).toHaveLength(4);
});

test.skipIf(!isRoot)("a keeper that is killed: its container ends, and containerd is told", async () => {
  using b = new Bundle(["sleep", "1000"]);
  const pid = await makeTask(b);
  await which("Start", b.id, m.PidResponseSchema);
  const fields = () => {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  };
  process.kill(Number(fields()[1]), "SIGKILL");
  expect(await which("Wait", b.id, m.WaitResponseSchema)).toMatchObject({ exitStatus: 255 });
  await which("Delete", b.id, m.DeleteResponseSchema);
  // Whoever adopted it may not have reaped it yet.
  expect(existsSync(`/proc/${pid}`) ? fields()[0] : "Z").toBe("Z");
  await until("all events", () => topics().includes("delete"));
  expect(topics()).toEqual(["create", "start", "exit", "delete"]);
});

test.skipIf(!isRoot)("out of memory is told of", async () => {
  using b = new Bundle(
    ["sh", "-c", "tail /dev/zero"],
    linux({ resources: { memory: { limit: 16 << 20, swap: 16 << 20 } } }),
  );
  await makeTask(b);
  await which("Start", b.id, m.PidResponseSchema);
  expect((await which("Wait", b.id, m.WaitResponseSchema)).exitStatus).not.toBe(0);
  await until("the event", () => topics().includes("oom"));
  await which("Delete", b.id, m.DeleteResponseSchema);
});

test.skipIf(!isRoot)(
  "what cannot be: a clear error with the code that containerd knows it by, and nothing made",
  async () => {
    using b = new Bundle(["nothing-of-that-name"]);
    await expect(makeTask(b)).rejects.toThrow("executable file not found in $PATH");
    await expect(which("State", b.id, m.StateResponseSchema)).rejects.toMatchObject({ code: CODE.notFound });
    writeFileSync(join(b.at, "config.json"), "{");
    await expect(makeTask(b)).rejects.toThrow("config.json");
    using c = new Bundle(["sleep", "1000"]);
    await makeTask(c);
    await expect(makeTask(c)).rejects.toMatchObject({ code: CODE.alreadyExists });
    await expect(call("Checkpoint", m.CheckpointRequestSchema, { id: c.id }, EmptySchema)).rejects.toMatchObject({
      code: CODE.failedPrecondition,
    });
    await expect(which("Start", c.id, m.PidResponseSchema, "no-exec")).rejects.toMatchObject({ code: CODE.notFound });
    const empty = join(at, "no-checkpoint");
    await expect(makeTask(b, { checkpoint: empty })).rejects.toMatchObject({ code: CODE.invalidArgument });
    await expect(makeTask(b, { stdout: join(at, "no-fifo") })).rejects.toMatchObject({ code: CODE.invalidArgument });
    await call("Kill", m.KillRequestSchema, { id: c.id, signal: 9 }, EmptySchema);
    await which("Wait", c.id, m.WaitResponseSchema);
    await which("Delete", c.id, m.DeleteResponseSchema);
    expect(existsSync(join(at, "containerd", NAMESPACE, c.id))).toBe(false);
  },
);

/** A keeper's create of a container, as the shim compiles it. */
async function keeper(b: Bundle, path: string): Promise<{ token: number; program: Program }> {
  const token = launcher().token();
  const given = {
    ...{ bundle: b.at, config: undefined, pidFile: undefined, consoleSocket: undefined, preserve: 0 },
    ...({ noPivot: false, noNewKeyring: false, mode: "kept", keep: true, subreaper: false } as const),
    kept: { token, streams: { stdout: { kind: "fifo", path } }, terminal: false } as const,
  };
  return { token, program: (await prepareCreate(globalOf(root), b.id, given)).program };
}

const failureOf = async (program: Program, token: number) => {
  const started = await startProgram(launcher(), startable(program), token, [], []);
  const error = await started.pid.then(
    () => undefined,
    (e: Error) => e,
  );
  return { started, error };
};

test.skipIf(!isRoot)(
  "a first process that fails while its keeper writes it down is told of, and all is undone",
  async () => {
    using b = new Bundle(["true"]);
    mkdirSync(root, { recursive: true });
    const { token, program } = await keeper(b, fifo("late-out"));
    const placeOf = (label: string) => {
      const section = program.sections.findIndex((s) => s.steps.some((x) => x.label === label));
      return { section, step: program.sections[section]?.steps.findIndex((x) => x.label === label) ?? -1 };
    };
    const failing = placeOf("wait until that is written down");
    const late = placeOf("is the container ready?");
    // The keeper looks at nothing meanwhile, for 50 ms, and finds nobody to write to.
    const bytes = new Uint8Array(BigInt64Array.of(0n, 50_000_000n).buffer);
    const args = [{ kind: "block", block: { name: "50 ms", bytes, pointers: [] }, offset: 0 } as const, 0];
    const wait: Step = { op: "call", label: "wait", call: "nanosleep", args };
    const slow = inject(program, failing.section, failing.step, "EUCLEAN").sections.map((s, i) =>
      i === late.section ? { ...s, steps: s.steps.with(late.step, wait) } : s,
    );
    const { started, error } = await failureOf({ ...program, sections: slow }, token);
    expect(error?.message).toContain("EUCLEAN");
    await started.ended.catch(() => {});
    expect(existsSync(join(root, b.id))).toBe(false);
  },
);

test.skipIf(!isRoot)(
  "each step of a keeper's create fails in turn, and nothing is left",
  async () => {
    using b = new Bundle(["true"], linux({ resources: { memory: { limit: 64 << 20 } }, maskedPaths: ["/proc/kcore"] }));
    mkdirSync(root, { recursive: true });
    const g = globalOf(root);
    const path = fifo("undo-out");
    const make = () => keeper(b, path);
    const { program } = await make();
    const steps = program.sections.flatMap((s, section) => {
      if (!["supervisor", "container"].includes(s.name)) return [];
      // What follows is the start's, and the wait's.
      const end = s.steps.findIndex((x) => ["wait for the start", "report the start"].includes(x.label));
      return s.steps
        .slice(0, end)
        .flatMap((x, step) =>
          x.op === "jump" || x.op === "exit" || ("ignore" in x && x.ignore === "all") ? [] : [{ section, step }],
        );
    });
    expect(steps.length).toBeGreaterThan(200);
    const was = await settled();
    let failed = 0;
    for (const { section, step } of someOf(steps)) {
      const next = await make();
      const { label } = next.program.sections[section]?.steps[step] ?? { label: "?" };
      const { started, error } = await failureOf(inject(next.program, section, step, "EUCLEAN"), next.token);
      if (error) {
        expect({ label, said: error.message }).toEqual({ label, said: expect.stringContaining("EUCLEAN") });
        failed++;
      } else await remove(g, b.id, true);
      await started.ended.catch(() => {});
      expect({ label, left: existsSync(join(root, b.id)) }).toEqual({ label, left: false });
      const { mounts, groups } = leftovers();
      expect({ label, mounts, groups }).toEqual({ label, mounts: was.mounts, groups: was.groups });
    }
    expect(failed).toBeGreaterThan(rounds(150));
    expect(await settled()).toEqual(was);
    expect(readFileSync("/proc/self/mountinfo", "utf8")).not.toContain(b.at);
  },
  300_000,
);
