/** Numbers that JavaScript would round are kept as text: "exact:18446744073709551615". */
const exactly = (text: string): string =>
  /\d{16}/.test(text)
    ? text.replace(/"(?:[^"\\]|\\.)*"|-?\d{16,}(?![\d.eE])/g, (m) => (m.startsWith('"') ? m : `"exact:${m}"`))
    : text;

/** JSON.parse, without losing a digit. */
export const parseExact = (text: string): unknown => JSON.parse(exactly(text));
