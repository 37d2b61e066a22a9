import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { without } from "./booted.ts";
import { Session } from "./session.ts";

const { skip, why } = without("systemctl");

describe.skipIf(skip)(`a user's own systemd${why}`, () => {
  let session: Session;
  const scope = () => `${session.manager}/app.slice/caisson.scope`;
  beforeAll(() => {
    session = new Session("someone");
  });
  afterAll(() => {
    session.end();
  });

  test("processes start in groups of its scope, out of a session that is root's", () => {
    const r = session.sh(
      "cat /proc/self/cgroup; caisson group run --memory 64M --pids-limit 50 --name a -- cat /proc/self/cgroup",
    );
    expect(r).toEqual({
      code: 0,
      out: `0::/user.slice/user-${session.uid}.slice/session-1.scope\n0::${scope()}/caisson-a\n`,
      err: "",
    });
    expect(readFileSync(`/sys/fs/cgroup${scope()}/holder/cgroup.procs`, "utf8")).not.toBe("");
    expect(session.sh("caisson group run --memory 24M -- tail /dev/zero").code).toBe(137);
  });

  test("a container has its limits", () => {
    expect(session.sh("caisson run --memory 24M -- tail /dev/zero")).toMatchObject({
      code: 137,
      err: expect.stringContaining("out of memory"),
    });
    expect(session.sh("caisson run --memory 64M --cpus 0.5 --pids-limit 20 -- echo here")).toEqual({
      code: 0,
      out: "here\n",
      err: "",
    });
  });

  test("a detached container, and what is executed in it from another session", () => {
    expect(session.sh("caisson run --detach --name kept --memory 64M -- sleep 1000")).toMatchObject({
      code: 0,
      err: "",
    });
    const group = `${scope()}/caisson-kept`;
    expect(session.sh("caisson exec kept sh -c 'exit 3'")).toMatchObject({ code: 3, err: "" });
    expect(session.sh("caisson pause kept && caisson ps && caisson unpause kept").out).toContain("paused");
    expect(session.sh("caisson update --memory 48M kept").code).toBe(0);
    expect(readFileSync(`/sys/fs/cgroup${group}/memory.max`, "utf8")).toBe(`${48 << 20}\n`);
    expect(session.sh("caisson rm --force kept")).toMatchObject({ code: 0 });
    expect(existsSync(`/sys/fs/cgroup${group}`)).toBe(false);
  });

  test("a process of the session is moved into a group, by systemd", () => {
    const r = session.sh(`caisson group create web --memory 64M && { sleep 1000 & caisson group add web $! &&
      cat /proc/$!/cgroup && caisson group kill web && caisson group remove web; }`);
    expect(r).toEqual({ code: 0, out: `0::${scope()}/caisson-web\n`, err: "" });
  });

  test("the library", () => {
    writeFileSync(
      join(session.at, "try.mjs"),
      `import { container, run } from "${session.at}/dist/index.js";
       const { oomKilled, notApplied } = await run(["tail", "/dev/zero"], { memory: "24M" });
       const box = await container({ memory: "64M" });
       console.log(JSON.stringify({ oomKilled, notApplied, out: (await box.run(["echo", "here"])).stdout }));
       await box.dispose();`,
    );
    const r = session.type("node", "--input-type=module", "-e", `await import("${session.at}/try.mjs")`);
    expect(r.err).toBe("");
    expect(JSON.parse(r.out)).toEqual({ oomKilled: true, notApplied: [], out: "here\n" });
  });
});
