/** A string of JSON's, to the text's end where it has none of its own, or a number. */
const token = /"(?:[^"\\]|\\[\s\S]?)*(?:"|$)|-?\d[\d.eE+-]*/g;
const isLong = (token: string) => /^-?\d{16,}$/.test(token);

/** Whole numbers that JavaScript would round are kept as text: "exact:18446744073709551615". */
const exactly = (text: string): string =>
  /\d{16}/.test(text) ? text.replace(token, (m) => (isLong(m) ? `"exact:${m}"` : m)) : text;

/** JSON.parse, without losing a digit. */
export const parseExact = (text: string): unknown => JSON.parse(exactly(text));
