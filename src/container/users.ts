import type { User } from "../compile/spec.ts";
import { textInRoot } from "../host/in-root.ts";
import { InvalidOptionError } from "../values/errors.ts";

export type ResolvedUser = { readonly uid: number; readonly home: string; readonly ids: User };

type Entry = { name: string; id: number; rest: string[] };

/** passwd(5) and group(5). A root filesystem without users has numbers only. */
const entries = (root: string, file: string): Entry[] => parseEntries(textInRoot(root, `etc/${file}`) ?? "");

const parseEntries = (text: string): Entry[] =>
  text.split("\n").flatMap((line) => {
    const [name, , id, ...rest] = line.split(":");
    return name && id !== undefined && isId(id) ? [{ name, id: Number(id), rest }] : [];
  });

/** setresuid(2) takes -1 for "leave it as it is", and no more of a number than 32 bits: either way the user would be root. */
const LAST_ID = 2 ** 32 - 2;
const isId = (text: string): boolean => /^\d+$/.test(text) && Number(text) <= LAST_ID;

function lookUp(field: string, list: () => Entry[], text: string): number {
  if (isId(text)) return Number(text);
  const found = list().find((e) => e.name === text);
  if (!found)
    throw new InvalidOptionError(
      field,
      text,
      `a user or group of the container's /etc/passwd and /etc/group, or a number up to ${LAST_ID}`,
    );
  return found.id;
}

/** Where a user's home is by a text of passwd(5), or by that of a root filesystem; "/" for one who is not in it. */
export const homeOf = (from: { readonly text: string } | { readonly root: string }, uid: number): string => {
  const known = "text" in from ? parseEntries(from.text) : entries(from.root, "passwd");
  return known.find((e) => e.id === uid)?.rest[2] || "/";
};

/**
 * "user", "uid", "user:group", ":group" for root in another one: ids, additional groups and home directory, from the container's own files.
 * The primary group is an additional one, too: a program that is set-group-ID would shed it else, and with it what files deny to that group (CVE-2022-36109).
 */
export function resolveUser(root: string, user = "0", groups: readonly (string | number)[] = []): ResolvedUser {
  const [first = "", second, ...more] = user.split(":");
  if (more.length || user === "") throw new InvalidOptionError("user", user, 'a user, or "user:group"');
  const [name, group] = [first || "0", second || undefined];
  const isRoot = name === "0" || name === "root";
  if (isRoot && group === undefined && groups.length === 0)
    return { uid: 0, home: "/root", ids: { uid: 0, gid: 0, additionalGids: [0] } };
  const passwd = entries(root, "passwd");
  const groupFile = entries(root, "group");
  const uid = lookUp("user", () => passwd, name);
  const entry = passwd.find((e) => e.id === uid);
  const gid = lookUp("user", () => groupFile, group ?? entry?.rest[0] ?? "0");
  const named = group === undefined && entry ? groupFile.filter((g) => g.rest[0]?.split(",").includes(entry.name)) : [];
  const additional = [
    gid,
    ...named.map((g) => g.id),
    ...groups.map((g) => lookUp("groups", () => groupFile, String(g))),
  ];
  return { uid, home: entry?.rest[2] ?? "/", ids: { uid, gid, additionalGids: [...new Set(additional)] } };
}
