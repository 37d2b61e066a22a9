import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isRoot, settled } from "../helpers/machine.ts";
import { User } from "../helpers/user.ts";

const asRoot = test.skipIf(!isRoot);

asRoot("whoever is not root enters its containers again, and their first process can do next to nothing", async () => {
  const before = await settled();
  {
    using user = new User();
    expect(user.sh("caisson run --detach --init --name kept -- sleep 1000")).toEqual({
      code: 0,
      out: "kept\n",
      err: "",
    });
    try {
      const look = user.sh("caisson exec kept sh -c 'grep -E \"Seccomp:|NoNewPrivs\" /proc/1/status; exit 3'");
      expect(look).toEqual({ code: 3, out: "NoNewPrivs:\t1\nSeccomp:\t2\n", err: "" });
      // It still reaps what is left to it.
      const orphans = "caisson exec kept sh -c '(sleep 0.1 &) ; sleep 0.5; grep -l \"^State:.Z\" /proc/[0-9]*/status'";
      expect(user.sh(orphans).out).toBe("");
    } finally {
      expect(user.sh("caisson rm --force kept").code).toBe(0);
    }
  }
  expect(await settled()).toEqual(before);
});

asRoot("whoever is not root has containers by the library, without a command and with one", async () => {
  const before = await settled();
  {
    using user = new User();
    const script = join(user.at, "try.mjs");
    writeFileSync(
      script,
      `import { container, run } from "${user.at}/dist/index.js";
       const box = await container();
       const inside = await box.run(["sh", "-c", "id -u; grep Seccomp: /proc/1/status"]);
       await box.dispose();
       console.log(JSON.stringify([inside.stdout, (await run(["echo", "here"])).stdout]));`,
    );
    const r = user.sh(`node ${script}`);
    expect(r).toEqual({ code: 0, out: `${JSON.stringify(["0\nSeccomp:\t2\n", "here\n"])}\n`, err: "" });
  }
  expect(await settled()).toEqual(before);
});

asRoot("a start that fails is told of once, also where the user has no home that could be entered", () => {
  using user = new User();
  const closed = mkdtempSync("/tmp/caisson-closed-");
  try {
    const r = user.sh(`HOME=${closed} caisson run --user 7 -- true`);
    expect(r).toEqual({ code: 125, out: "", err: "caisson: become group 7: EINVAL\n" });
  } finally {
    rmSync(closed, { recursive: true });
  }
});
