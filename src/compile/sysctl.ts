import { O } from "../kernel/flags.ts";
import type { SectionBuilder } from "../program/builder.ts";
import type { Slot } from "../program/types.ts";
import { type Context, openInRoot, writeText } from "./context.ts";

/** sysctls, before /proc/sys is made read-only. A dot separates, as in sysctl(8); a slash stands for a dot in a name. */
export function setSysctls(c: Context, s: SectionBuilder, root: Slot): void {
  for (const [name, value] of Object.entries(c.spec.linux?.sysctl ?? {})) {
    const path = `/proc/sys/${name.replace(/[./]/g, (ch) => (ch === "." ? "/" : "."))}`;
    const fd = openInRoot(s, root, path, O.WRONLY, { label: `open the sysctl ${name}` });
    writeText(s, `set ${name} = ${value}`, fd, value);
    s.call(`close ${name}`, "close", [fd]);
  }
}
