/**
 * Names of files and words of commands are bytes, which are UTF-8 as a rule. Each byte that is not is a lone surrogate in
 * our texts, as no text has one, and becomes that byte again (Python calls it surrogateescape): nothing is lost on the way.
 */
const SEQUENCE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are ASCII as well
  /[\x00-\x7f]+|(?:[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xed[\x80-\x9f][\x80-\xbf]|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2})+|[\x80-\xff]/g;
const ESCAPED = 0xdc00;
/** The first finds what the second may match in a fraction of its time, and most texts have none. */
const [SURROGATE, STRAY] = [/[\ud800-\udfff]/, /[\udc80-\udcff]/u];
const encoder = new TextEncoder();

export function textOf(bytes: Uint8Array): string {
  const pieces = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1").match(SEQUENCE) ?? [];
  return pieces
    .map((piece) => {
      const first = piece.charCodeAt(0);
      const isStray = piece.length === 1 && first > 0x7f;
      return isStray ? String.fromCharCode(ESCAPED + first) : Buffer.from(piece, "latin1").toString("utf8");
    })
    .join("");
}

export function bytesOf(text: string): Uint8Array {
  const bytes = encoder.encode(text);
  if (bytes.length === text.length || !hasStray(text)) return bytes;
  return Buffer.concat(
    [...text].map((c) => (STRAY.test(c) ? Uint8Array.of(c.charCodeAt(0) - ESCAPED) : encoder.encode(c))),
  );
}

/** Whether it stands for bytes that are not UTF-8: what takes text alone would get others. */
export const hasStray = (text: string): boolean => SURROGATE.test(text) && STRAY.test(text);

/** What node:fs takes for a path: the text, or the bytes that it stands for. */
export const fsPath = (text: string): string | Buffer => (hasStray(text) ? Buffer.from(bytesOf(text)) : text);

/** What decoders put in the place of what is not UTF-8: it may have been that character, too. */
export const REPLACED = String.fromCharCode(0xfffd);

/** A text that a runtime has decoded, or what it was if it was not UTF-8. */
export const orBytes = (decoded: string, read: () => Uint8Array): string =>
  decoded.includes(REPLACED) ? textOf(read()) : decoded;
