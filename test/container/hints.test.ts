import { expect, test } from "bun:test";
import { hintFor } from "../../src/container/hints.ts";

test("what AppArmor forbids in a user's namespace is said to be its, and a command's own failures are not", () => {
  const hint = (step: string, errno: string, restricted: boolean) => hintFor(step, errno, () => restricted);
  for (const step of ["separate the mounts", "write uid_map: 0 1000 1", "set the hostname"])
    expect(hint(step, "EPERM", true)).toContain("AppArmor restricts user namespaces");
  expect(hint("write uid_map: 0 1000 1", "EPERM", false)).toContain("CAP_SETFCAP");
  expect(hint("separate the mounts", "EINVAL", true)).toContain("mount --bind");
  expect(hint("execute /bin/x", "EACCES", true)).toContain("not executable");
});

test("each kind of namespace can be too many", () => {
  for (const step of ["start the container", "make the IPC namespace", "make the cgroup namespace"])
    expect(hintFor(step, "ENOSPC", () => false)).toContain("max_*_namespaces");
});
