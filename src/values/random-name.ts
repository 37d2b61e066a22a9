export const DIGITS = "0123456789";

/** What has digits alone would be taken for an address, and not be found as a host's name. inet_aton(3) */
const isNumber = (name: string) => /^\d+$/.test(name);

/** Twelve random hexadecimal digits: the last ones of a UUID, of which engines keep random bytes in store. */
export function randomName(): string {
  for (;;) {
    const name = crypto.randomUUID().slice(-12);
    if (!isNumber(name)) return name;
  }
}
