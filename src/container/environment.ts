import type { Process } from "../compile/spec.ts";
import { type ResolvedUser, resolveUser } from "./users.ts";

/**
 * The environment of another command in a container: that of its first one, with what is given in its place. HOME is the new
 * user's, if it was that of the old one and not chosen.
 */
export function environmentFor(
  { env = [], user }: Process,
  root: string,
  own: Readonly<Record<string, string>>,
  other?: ResolvedUser,
): string[] {
  const all = new Map(
    env.map((e) => (e.includes("=") ? [e.slice(0, e.indexOf("=")), e.slice(e.indexOf("=") + 1)] : [e, ""])),
  );
  if (other && all.get("HOME") === resolveUser(root, String(user.uid)).home) all.set("HOME", other.home);
  for (const [key, value] of Object.entries(own)) all.set(key, value);
  return [...all].map(([key, value]) => `${key}=${value}`);
}
