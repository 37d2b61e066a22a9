import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { chownSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { template } from "../../src/oci/template.ts";
import { Bundle, shell } from "../conformance/bundle.ts";
import { isRoot, leftovers } from "../helpers/machine.ts";

const caisson = join(import.meta.dir, "../../dist/caisson-oci");
const NOBODY = 65534;

/** The command as a user with no privileges, in a bundle of its own. */
function asUser(b: Bundle, ...words: string[]) {
  const user = ["setpriv", `--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups"];
  const [file = "", ...args] = [...user, caisson, "--root", b.state, ...words];
  // A container that stays has the streams of its creator: files, which nobody waits for.
  const p = spawnSync("sh", ["-c", `exec "$@" >${b.at}/out 2>${b.at}/err </dev/null`, "sh", file, ...args]);
  return { code: p.status, out: readFileSync(join(b.at, "out"), "utf8"), err: readFileSync(join(b.at, "err"), "utf8") };
}

function bundle(args: string[]): Bundle {
  const b = new Bundle(["true"]);
  const spec = template(true);
  const maps = [{ containerID: 0, hostID: NOBODY, size: 1 }];
  b.write({
    ...spec,
    process: { ...spec.process, terminal: false, args },
    linux: { ...spec.linux, uidMappings: maps, gidMappings: maps },
  });
  for (const path of [b.at, join(b.at, "config.json")]) chownSync(path, NOBODY, NOBODY);
  for (const name of ["out", "err"]) {
    writeFileSync(join(b.at, name), "");
    chownSync(join(b.at, name), NOBODY, NOBODY);
  }
  return b;
}

test.skipIf(!isRoot)("a user runs a container: root in it, itself outside, and read-only as it was asked for", () => {
  const before = leftovers();
  using b = bundle(shell("id -u; hostname; touch /x || echo read-only; exit 5"));
  const r = asUser(b, "run", "--bundle", b.at, b.id);
  expect(r.code).toBe(5);
  expect(r.out).toBe("0\ncaisson\nread-only\n");
  expect(leftovers().mounts).toBe(before.mounts);
});

test.skipIf(!isRoot)("create, state, start, exec, kill and delete without privileges", async () => {
  using b = bundle(["sleep", "1000"]);
  expect(asUser(b, "create", "--bundle", b.at, b.id)).toMatchObject({ code: 0 });
  const status = () => (JSON.parse(asUser(b, "state", b.id).out) as { status: string }).status;
  expect(status()).toBe("created");
  expect(asUser(b, "start", b.id).code).toBe(0);
  expect(status()).toBe("running");
  expect(asUser(b, "exec", b.id, "id", "-u")).toMatchObject({ code: 0, out: "0\n" });
  const { pid } = JSON.parse(asUser(b, "state", b.id).out) as { pid: number };
  expect(asUser(b, "ps", "--format", "json", b.id).out).toBe(`[${pid}]\n`);
  for (const words of [["pause"], ["update", "--pids-limit", "5"]]) {
    const r = asUser(b, ...words, b.id);
    expect(r.code).toBe(1);
    expect(r.err).toContain("made without control groups");
  }
  expect(asUser(b, "kill", b.id, "KILL").code).toBe(0);
  for (let i = 0; i < 100 && status() !== "stopped"; i++) await Bun.sleep(20);
  expect(asUser(b, "delete", b.id)).toMatchObject({ code: 0 });
});

test.skipIf(!isRoot)("a limit that this user cannot set is refused, not passed over", () => {
  using b = bundle(["true"]);
  b.rewrite((spec) => ({ ...spec, linux: { ...spec.linux, resources: { memory: { limit: 1 << 26 } } } }));
  const r = asUser(b, "run", "--bundle", b.at, b.id);
  expect(r.code).toBe(1);
  expect(r.err).toContain("linux.resources.memory");
});
