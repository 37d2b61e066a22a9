/**
 * Names of files and words of commands are bytes, which are UTF-8 as a rule. Each byte that is not is a lone surrogate in
 * our texts, as no text has one, and becomes that byte again (Python calls it surrogateescape): nothing is lost on the way.
 */
const SEQUENCE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are ASCII as well
  /[\x00-\x7f]+|(?:[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xed[\x80-\x9f][\x80-\xbf]|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2})+|[\x80-\xff]/g;
const ESCAPED = 0xdc00;
const SURROGATE = /[\ud800-\udfff]/;
const encoder = new TextEncoder();

export function textOf(bytes: Uint8Array): string {
  const pieces = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1").match(SEQUENCE) ?? [];
  return pieces
    .map((piece) => {
      const [first = 0] = [piece.charCodeAt(0)];
      const isStray = piece.length === 1 && first > 0x7f;
      return isStray ? String.fromCharCode(ESCAPED + first) : Buffer.from(piece, "latin1").toString("utf8");
    })
    .join("");
}

export function bytesOf(text: string): Uint8Array {
  const bytes = encoder.encode(text);
  if (bytes.length === text.length || !hasStray(text)) return bytes;
  const pieces = [...text].map((c) => {
    const code = c.length === 1 ? c.charCodeAt(0) : 0;
    return code > ESCAPED + 0x7f && code <= ESCAPED + 0xff ? Uint8Array.of(code - ESCAPED) : encoder.encode(c);
  });
  return Buffer.concat(pieces);
}

/** Whether it stands for bytes that are not UTF-8: what takes text alone would get others. */
export function hasStray(text: string): boolean {
  if (!SURROGATE.test(text)) return false;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c < 0xd800 || c > 0xdfff) continue;
    // One of a pair is followed by the other.
    if (c < ESCAPED) i++;
    else if (c > ESCAPED + 0x7f && c <= ESCAPED + 0xff) return true;
  }
  return false;
}

/** What node:fs takes for a path: the text, or the bytes that it stands for. */
export const fsPath = (text: string): string | Buffer => (hasStray(text) ? Buffer.from(bytesOf(text)) : text);

/** What decoders put in the place of what is not UTF-8: it may have been that character, too. */
export const REPLACED = String.fromCharCode(0xfffd);

/** A text that a runtime has decoded, or what it was if it was not UTF-8. */
export const orBytes = (decoded: string, read: () => Uint8Array): string =>
  decoded.includes(REPLACED) ? textOf(read()) : decoded;
