import type { Hierarchy, Layout } from "../cgroups/layout.ts";
import type { Mount } from "../compile/spec.ts";

/** The same layout inside, of these hierarchies: the cgroup namespace shows the container's group as the top of each. */
export function groupMounts(layout: Layout, shown: readonly Hierarchy[], access: "ro" | "rw"): Mount[] {
  const usual = ["nosuid", "nodev", "noexec", "relatime"];
  const options = access === "ro" ? ["ro", ...usual] : usual;
  if (layout.kind === "v2") return [{ destination: "/sys/fs/cgroup", type: "cgroup2", source: "cgroup2", options }];
  const top: Mount = {
    destination: "/sys/fs/cgroup",
    type: "tmpfs",
    source: "tmpfs",
    options: [...usual, "mode=755"],
  };
  const below = shown.map((h): Mount => {
    if (h.version === "v2")
      return { destination: "/sys/fs/cgroup/unified", type: "cgroup2", source: "cgroup2", options };
    const controllers = Object.keys(layout.v1).filter((c) => layout.v1[c] === h.point);
    const name = controllers.join(",");
    return {
      destination: `/sys/fs/cgroup/${name}`,
      type: "cgroup",
      source: "cgroup",
      options: [...options, ...controllers],
    };
  });
  const seal = { destination: "/sys/fs/cgroup", type: "tmpfs", source: "tmpfs", options: ["remount", "ro"] };
  return [top, ...below, ...(access === "ro" ? [seal] : [])];
}
