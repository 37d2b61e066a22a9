import { O } from "../kernel/flags.ts";
import type { SectionBuilder } from "../program/builder.ts";
import type { Slot } from "../program/types.ts";
import { type Context, openInRoot, writeText } from "./context.ts";

const swapped = (name: string) => name.replace(/[./]/g, (ch) => (ch === "." ? "/" : "."));

/** sysctl(8): what comes first, a dot or a slash, separates; the other one stands for itself. */
export const dottedSysctl = (name: string): string => (/^[^./]*\//.test(name) ? swapped(name) : name);

/** sysctls, before /proc/sys is made read-only. */
export function setSysctls(c: Context, s: SectionBuilder, root: Slot): void {
  for (const [name, value] of Object.entries(c.spec.linux?.sysctl ?? {})) {
    const path = `/proc/sys/${swapped(dottedSysctl(name))}`;
    const fd = openInRoot(s, root, path, O.WRONLY, { label: `open the sysctl ${name}` });
    writeText(s, `set ${name} = ${value}`, fd, value);
    s.call(`close ${name}`, "close", [fd]);
  }
}
