import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { Bundle } from "../conformance/bundle.ts";
import { caisson, sh } from "../helpers/command.ts";
import { isRoot } from "../helpers/machine.ts";

/** Signals to whoever runs a command act on the command as they would without a container: it is process 1 all the same. */
const rooted = test.skipIf(!isRoot);

/** Its traps are set before it says that it is ready. */
const shell = (traps: string, script: string) => ["sh", "-c", `${traps}; echo ready; ${script}`];
/** It handles nothing; a shell would handle SIGINT. */
const HEEDLESS = ["perl", "-e", '$| = 1; print "ready\n"; sleep 1000'];

/** Sends signals to a run once its command has said that it is ready. */
async function signalled(command: readonly string[], signals: readonly NodeJS.Signals[], ...options: string[]) {
  const p = Bun.spawn([caisson, "run", ...options, "--", ...command], {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
  });
  const reader = p.stdout.getReader();
  let out = new TextDecoder().decode((await reader.read()).value);
  for (const signal of signals) {
    if (p.exitCode !== null) break;
    p.kill(signal);
    await Bun.sleep(100);
  }
  p.stdin.end();
  for (let piece = await reader.read(); !piece.done; piece = await reader.read())
    out += new TextDecoder().decode(piece.value);
  return { code: await p.exited, out };
}

rooted("what it does nothing about ends it", async () => {
  for (const [signal, number] of [
    ["SIGINT", 2],
    ["SIGTERM", 15],
    ["SIGHUP", 1],
    ["SIGUSR1", 10],
  ] as const) {
    expect(await signalled(HEEDLESS, [signal])).toEqual({ code: 128 + number, out: "ready\n" });
    expect(await signalled(HEEDLESS, [signal], "--init")).toEqual({ code: 128 + number, out: "ready\n" });
  }
});

rooted("what it handles it handles", async () => {
  const command = shell('trap "echo told; exit 4" TERM', "while :; do sleep 0.05; done");
  expect(await signalled(command, ["SIGTERM"])).toEqual({ code: 4, out: "ready\ntold\n" });
});

rooted("what it ignores, and what ends nobody, does not end it", async () => {
  const command = shell('trap "" TERM USR1', "read line; echo lived");
  const signals = ["SIGTERM", "SIGUSR1", "SIGWINCH", "SIGCONT", "SIGURG"] as const;
  expect(await signalled(command, signals, "-i")).toEqual({ code: 0, out: "ready\nlived\n" });
});

rooted("whoever insists on it ends it: the third time", async () => {
  // Two that wait are one.
  const often = Array.from({ length: 20 }, () => "SIGINT" as const);
  expect((await signalled(shell('trap "" INT', "sleep 1000"), often)).code).toBe(137);
});

rooted(
  "caisson stop does not wait for a command that knows nothing of it",
  async () => {
    const name = `signals-${process.pid}`;
    expect((await sh("run", "-d", "--keep", "--name", name, "--", "sleep", "1000")).code).toBe(0);
    try {
      expect((await sh("stop", "--time", "60s", name)).code).toBe(0);
      expect(JSON.parse((await sh("inspect", name)).out)).toMatchObject([{ exitCode: 143, signal: 15 }]);
    } finally {
      await sh("rm", "-f", name);
    }
  },
  30_000,
);

/** Ignored signals stay so over execve(2); of a caller who ignores this one the kernel reaps all children. */
const IGNORING = '$SIG{CHLD} = "IGNORE"; exec @ARGV';
const deaf = (command: string, ...words: string[]) => {
  const p = spawnSync("perl", ["-e", IGNORING, command, ...words], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 20_000,
  });
  return { code: p.status, out: p.stdout, err: p.stderr };
};

rooted("a caller who ignores SIGCHLD hears how it ended; the command does not ignore it", () => {
  const name = `deaf-${process.pid}`;
  const command = ["sh", "-c", "grep SigIgn /proc/self/status; exit 3"];
  const ended = { code: 3, out: "SigIgn:\t0000000000000000\n", err: "" };
  // From the third time on its program is kept.
  for (let i = 0; i < 4; i++) expect(deaf(caisson, "run", "--", ...command)).toEqual(ended);
  expect(deaf(caisson, "run", "--init", "--", ...command)).toEqual(ended);
  expect(deaf(caisson, "group", "run", "--", ...command)).toEqual(ended);
  expect(deaf(caisson, "run", "-d", "--name", name, "--", "sleep", "100").code).toBe(0);
  try {
    for (let i = 0; i < 4; i++) expect(deaf(caisson, "exec", name, ...command)).toEqual(ended);
    expect(deaf(caisson, "stop", name).code).toBe(0);
    expect(deaf(caisson, "wait", name).out).toBe("143\n");
  } finally {
    deaf(caisson, "rm", "-f", name);
  }
});

rooted("an engine that ignores SIGCHLD is told of hooks and commands", () => {
  using b = new Bundle(["true"]);
  b.rewrite((spec) => ({
    ...spec,
    hooks: { createRuntime: [{ path: "/bin/true" }], poststop: [{ path: "/bin/true" }] },
  }));
  // What it is given is the container's as well: nobody could wait for its end.
  const deafly = (...words: string[]) =>
    spawnSync("perl", ["-e", IGNORING, ...b.words(...words)], { stdio: "ignore" }).status;
  const statuses = [
    deafly("run", "--bundle", b.at, b.id),
    deafly("create", "--bundle", b.at, b.id),
    deafly("exec", b.id, "sh", "-c", "exit 3"),
    deafly("start", b.id),
    deafly("delete", "--force", b.id),
  ];
  expect(statuses).toEqual([0, 0, 3, 0, 0]);
});
