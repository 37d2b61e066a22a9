/** A device by its qualified name: "vendor.com/class=name". CDI SPEC.md "kind", "devices". */
export type DeviceName = { readonly kind: string; readonly name: string };

const VENDOR = "[A-Za-z](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?";
const CLASS = "[A-Za-z](?:[A-Za-z0-9_-]*[A-Za-z0-9])?";
const NAME = "[A-Za-z0-9](?:[A-Za-z0-9_.:-]*[A-Za-z0-9])?";

export const kindPattern = new RegExp(`^${VENDOR}/${CLASS}$`);
export const namePattern = new RegExp(`^${NAME}$`);
const qualified = new RegExp(`^(${VENDOR}/${CLASS})=(${NAME})$`);

/** Undefined for what is a path, or no device at all. */
export function parseName(text: string): DeviceName | undefined {
  const [, kind, name] = qualified.exec(text) ?? [];
  return kind === undefined || name === undefined ? undefined : { kind, name };
}

export const nameText = ({ kind, name }: DeviceName): string => `${kind}=${name}`;
