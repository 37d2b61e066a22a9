/** What a user without privileges has: ids of /etc/subuid, a network of his own. */
import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { caisson } from "../helpers/command.ts";
import { isRoot } from "../helpers/machine.ts";

const NOBODY = 65534;

/** The command as nobody, with a directory of his own. */
function asUser(...words: string[]) {
  const home = mkdtempSync(join(tmpdir(), "caisson-user-"));
  chownSync(home, NOBODY, NOBODY);
  chmodSync(home, 0o700);
  try {
    const user = [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups", caisson, ...words];
    const { CAISSON_ROOT: _, ...own } = process.env;
    const env = { ...own, HOME: home, XDG_RUNTIME_DIR: home, XDG_DATA_HOME: home };
    const p = spawnSync("setpriv", user, {
      encoding: "utf8",
      env,
      cwd: "/",
      timeout: 20_000,
      stdio: ["ignore", "pipe", "pipe"],
    });
    return { code: p.status, out: p.stdout, err: p.stderr };
  } finally {
    rmSync(home, { recursive: true });
  }
}

/** Ranges for nobody, for as long as the test takes. */
function withRanges(body: () => void): void {
  const files = ["/etc/subuid", "/etc/subgid"].map((path) => ({
    path,
    text: existsSync(path) ? readFileSync(path, "utf8") : undefined,
  }));
  try {
    for (const { path, text = "" } of files) writeFileSync(path, `${text}nobody:700000:65536\n`);
    body();
  } finally {
    for (const { path, text } of files) {
      if (text === undefined) rmSync(path);
      else writeFileSync(path, text);
    }
  }
}

const missing = (path: string) => (existsSync(path) ? "" : ` (skipped: ${path} is not installed)`);
const helper = missing("/usr/bin/newuidmap");
test.skipIf(!isRoot || helper !== "")(`a user has the ids that /etc/subuid gives him${helper}`, () =>
  withRanges(() => {
    const r = asUser("run", "--", "sh", "-c", "cat /proc/self/uid_map; f=$(mktemp) && chown 33:33 $f && stat -c %u $f");
    expect(r.err).toBe("");
    expect(r.out.replace(/ +/g, " ")).toBe(" 0 65534 1\n 1 700000 65536\n33\n");
  }),
);

test.skipIf(!isRoot)("without ranges he is root alone, and what cannot be is said", () => {
  expect(asUser("run", "--", "cat", "/proc/self/uid_map").out.trim().split(/\s+/)).toEqual(["0", String(NOBODY), "1"]);
  expect(asUser("run", "--memory", "64M", "--", "true").err).toMatch(/^caisson: not applied: memory/);
  expect(asUser("run", "--strict", "--memory", "64M", "--", "true")).toMatchObject({ code: 125 });
  expect(asUser("run", "--network", "bridge", "--", "true").err).toMatch(/a bridge needs root/);
  expect(asUser("pod", "create", "x").err).toMatch(/need root/);
});

const tun = existsSync("/dev/net/tun") && (statSync("/dev/net/tun").mode & 0o006) === 0o006;
const why = missing("/usr/bin/pasta") || (tun ? "" : " (skipped: /dev/net/tun is not open to users)");
test.skipIf(!isRoot || why !== "")(`a network by pasta, which ends with the container${why}`, () => {
  const r = asUser(
    "run",
    "--network",
    "pasta",
    "--",
    "sh",
    "-c",
    "cat /proc/net/dev | cut -d: -f1; cat /etc/resolv.conf",
  );
  expect(r.err).toBe("");
  expect(r.out).toMatch(/nameserver/);
  expect(r.out.split("\n").filter((l) => /^ *(lo|e\w+)$/.test(l)).length).toBe(2);
  const left = readdirSync("/proc").filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, "utf8").startsWith("/usr/bin/pasta\0--quiet");
    } catch {
      return false;
    }
  });
  expect(left).toEqual([]);
});
