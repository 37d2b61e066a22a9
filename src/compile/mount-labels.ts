import { O } from "../kernel/flags.ts";
import type { SectionBuilder } from "../program/builder.ts";
import type { Slot } from "../program/types.ts";
import { textBlock } from "../program/values.ts";

/**
 * SELinux's context of a mount. Quotes keep the commas of a label together in a list of options (mount(8), "context="),
 * as engines write it: fsconfig(2) takes each option by itself, and quotes as a part of the label.
 */
export function quotedContext(word: string): readonly [key: string, label: string] | undefined {
  const [, key, label] = /^((?:fs|def|root)?context)="(.*)"$/.exec(word) ?? [];
  return key === undefined || label === undefined ? undefined : [key, label];
}

/** A message queue file system came with its IPC namespace: it is labelled when it is there. */
export function labelQueues(s: SectionBuilder, mounted: Slot, label: string): void {
  const top = s.get("open the message queues", "openat", [mounted, ".", O.RDONLY | O.DIRECTORY | O.CLOEXEC, 0]);
  const block = textBlock(label);
  s.call(`label message queues ${label}`, "fsetxattr", [top, "security.selinux", block, block.bytes.length, 0]);
  s.call("close the message queues", "close", [top]);
}
