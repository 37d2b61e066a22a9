import { InvalidOptionError } from "../values/errors.ts";
import { CdiError, type CdiFile, type CdiFiles } from "./files.ts";
import { type DeviceName, nameText } from "./names.ts";
import type { Edits } from "./schema.ts";

const describes =
  ({ kind, name }: DeviceName) =>
  ({ spec }: CdiFile) =>
    spec.kind === kind && spec.devices.some((d) => d.name === name);

/** The names that there are, without those that two files of the same directory have. */
export const knownDevices = ({ files }: CdiFiles): readonly string[] =>
  [
    ...new Set(files.flatMap(({ spec }) => spec.devices.map((d) => nameText({ kind: spec.kind, name: d.name })))),
  ].sort();

function find(cdi: CdiFiles, name: DeviceName): CdiFile {
  const found = cdi.files.filter(describes(name));
  const first = Math.max(...found.map((f) => f.priority));
  const [file, other] = found.filter((f) => f.priority === first);
  if (other && file) throw new CdiError(`${nameText(name)}: both ${file.path} and ${other.path} describe it`);
  if (file) return file;
  const [error] = cdi.errors;
  if (error) throw error;
  const known = knownDevices(cdi);
  throw new InvalidOptionError(
    "devices",
    nameText(name),
    known.length ? `one of ${known.join(", ")}` : "a device that a file of /etc/cdi or /var/run/cdi describes",
  );
}

/** What these devices change of a container: what holds for all of a file once, then each device's own. */
export function editsOf(cdi: CdiFiles, names: readonly DeviceName[]): readonly Edits[] {
  const all: Edits[] = [];
  const seen = new Set<CdiFile>();
  for (const name of names) {
    const file = find(cdi, name);
    if (!seen.has(file) && file.spec.containerEdits) all.push(file.spec.containerEdits);
    seen.add(file);
    all.push(...file.spec.devices.filter((d) => d.name === name.name).map((d) => d.containerEdits));
  }
  return all;
}
