import { existsSync } from "node:fs";
import { isVolumeOption, type Volume, volumeOptions } from "../container/options.ts";
import { InvalidOptionError, UnsupportedError } from "../values/errors.ts";
import { parseSize } from "../values/units.ts";
import { list, pair, text, type Values } from "./option-table.ts";

type Mounts = { volumes: Record<string, Volume>; tmpfs: Record<string, string> };

const SELINUX = "/sys/fs/selinux/enforce";

/** Docker's words for SELinux: where it is not, there is nothing to label anew. */
function isRelabel(word: string): boolean {
  if (word !== "z" && word !== "Z") return false;
  if (existsSync(SELINUX)) throw new UnsupportedError(`--volume ${word}`, "files are not labelled anew: chcon(1) does");
  return true;
}

/** --volume SRC:DST[:OPTS] */
function addVolume(m: Mounts, s: string): void {
  const [source, destination, words = "", ...rest] = s.split(":");
  const options = words.split(",").filter((w) => w && w !== "ro" && w !== "rw" && !isRelabel(w));
  if (!source || !destination || rest.length || !options.every(isVolumeOption))
    throw new InvalidOptionError(
      "--volume",
      s,
      `of the form "source:destination" or "source:destination:OPTIONS", with ro, rw, ${volumeOptions.join(", ")}`,
    );
  const readOnly = words.split(",").includes("ro");
  m.volumes[destination] = { source, readOnly, ...(options.length && { options: options.filter(isVolumeOption) }) };
}

/** The words of Docker's --mount, and those that stand for one. */
const keys: Readonly<Record<string, string>> = {
  ...{ type: "type", source: "source", src: "source", target: "target", destination: "target", dst: "target" },
  ...{ readonly: "readonly", ro: "readonly", "bind-propagation": "propagation" },
  ...{ "tmpfs-size": "size", "tmpfs-mode": "mode" },
};

function wordsOf(s: string): Map<string, string> {
  return new Map(
    s.split(",").map((word) => {
      const [given, value] = word.includes("=") ? pair("--mount", word) : [word, "true"];
      const key = Object.hasOwn(keys, given) ? keys[given] : undefined;
      if (key === undefined)
        throw new InvalidOptionError("--mount", given, `one of its words: ${Object.keys(keys).join(", ")}`);
      return [key, value];
    }),
  );
}

function isTrue(value: string | undefined): boolean {
  if (value === undefined || /^(0|f|false)$/i.test(value)) return false;
  if (/^(1|t|true)$/i.test(value)) return true;
  throw new InvalidOptionError("--mount readonly", value, "true or false");
}

/** --mount type=bind,source=SRC,target=DST[,readonly][,bind-propagation=WORD], or type=tmpfs,target=DST */
function addMount(m: Mounts, s: string): void {
  const words = wordsOf(s);
  const [target, source, type = "bind"] = ["target", "source", "type"].map((key) => words.get(key));
  if (!target) throw new InvalidOptionError("--mount", s, "complete: target= is missing");
  const readOnly = isTrue(words.get("readonly"));
  if (type === "tmpfs") {
    const options = ["size", "mode"].flatMap((key) => (words.has(key) ? [`${key}=${words.get(key)}`] : []));
    m.tmpfs[target] = [...options, ...(readOnly ? ["ro"] : [])].join(",");
    return;
  }
  if (type !== "bind" || !source) throw new InvalidOptionError("--mount", s, "type=bind with source=, or type=tmpfs");
  const propagation = words.get("propagation");
  if (propagation !== undefined && !isVolumeOption(propagation))
    throw new InvalidOptionError(
      "--mount bind-propagation",
      propagation,
      "private, rprivate, slave, rslave, shared or rshared",
    );
  m.volumes[target] = { source, readOnly, ...(propagation !== undefined && { options: [propagation] }) };
}

/** --tmpfs DST[:OPTS] */
function addTmpfs(m: Mounts, s: string): void {
  const [destination = "", ...options] = s.split(":");
  m.tmpfs[destination] = options.join(":");
}

/** All that is mounted by options of the command line. */
export function mounts(v: Values): Mounts {
  const m: Mounts = { volumes: {}, tmpfs: {} };
  for (const s of list(v, "volume")) addVolume(m, s);
  for (const s of list(v, "mount")) addMount(m, s);
  const shm = text(v, "shm-size");
  if (shm !== undefined) m.tmpfs["/dev/shm"] = `noexec,mode=1777,size=${parseSize("--shm-size", shm)}`;
  for (const s of list(v, "tmpfs")) addTmpfs(m, s);
  return m;
}
