import { expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compile } from "../../src/compile/compile.ts";
import type { Job } from "../../src/compile/job.ts";
import type { ContainerOptions } from "../../src/container/options.ts";
import { prepare } from "../../src/container/prepare.ts";
import { fromTemplate, isTemplate } from "../../src/container/templates.ts";
import { run, StepError } from "../../src/index.ts";
import { encode } from "../../src/program/encode.ts";
import { isRoot } from "../helpers/machine.ts";

const PIPE = { kind: "pipe" } as const;
let token = 7;

async function start(o: ContainerOptions, command: readonly string[] = ["true"]) {
  const p = await prepare(o, command);
  const report = { to: "library", token: token++, survive: false } as const;
  const job: Job = { ...p.job, stdio: [PIPE, PIPE, PIPE], report };
  if (!isTemplate(p, job)) return undefined;
  return { p, job, bytes: fromTemplate(p, job, {}).bytes, compiled: encode(compile(p.spec, p.facts, job), false) };
}

const kinds: Readonly<Record<string, ContainerOptions>> = {
  "nothing asked for": {},
  limits: { memory: "64M", cpus: 1, pidsLimit: 10 },
  "mounts, environment, an init": {
    tmpfs: { "/tmp": "size=1m" },
    volumes: { "/mnt": "/usr" },
    env: { A: "b" },
    init: true,
  },
  "a user namespace": { rootless: true },
  "a time limit, other rights, a host name": {
    timeout: "5s",
    capAdd: ["NET_ADMIN"],
    hostname: "other",
    seccomp: "unconfined",
  },
};

for (const [what, o] of Object.entries(kinds))
  test(`what comes from a template is what would have been compiled: ${what}`, async () => {
    const names = new Set<string>();
    for (let i = 0; i < 3; i++) {
      const started = await start(o);
      if (!started) throw new Error("not a template");
      expect(Buffer.compare(started.bytes, started.compiled)).toBe(0);
      names.add(started.job.name);
    }
    expect(names.size).toBe(3);
  });

test("other commands, other streams and other findings have templates of their own", async () => {
  const dir = mkdtempSync(join(tmpdir(), "caisson-template-"));
  try {
    const source = join(dir, "source");
    mkdirSync(source);
    const o = { volumes: { "/mnt/x": source } };
    for (const command of [["true"], ["false"], ["true", "true"]]) {
      const s = await start(o, command);
      expect(Buffer.compare(s?.bytes ?? Buffer.alloc(0), s?.compiled ?? Buffer.alloc(1))).toBe(0);
    }
    rmSync(source, { recursive: true });
    writeFileSync(source, "");
    const file = await start(o);
    expect(Buffer.compare(file?.bytes ?? Buffer.alloc(0), file?.compiled ?? Buffer.alloc(1))).toBe(0);
    // More kinds than are kept.
    for (let i = 0; i < 40; i++) await start({ env: { I: String(i) } });
    const s = await start({ env: { I: "0" } });
    expect(Buffer.compare(s?.bytes ?? Buffer.alloc(0), s?.compiled ?? Buffer.alloc(1))).toBe(0);
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test("a container with a name of its own has none", async () => {
  expect(await start({ name: "abc" })).toBeUndefined();
});

test.skipIf(!isRoot)("a step that fails is named, the second time as the first", async () => {
  const failure = async () => {
    const e = await run(["true"], { workdir: "/no/such/directory" }).catch((error: unknown) => error);
    if (!(e instanceof StepError)) throw e;
    return [e.step, e.errno, e.path];
  };
  const first = await failure();
  expect(first[0]).toContain("/no/such/directory");
  expect(await failure()).toEqual(first);
});
