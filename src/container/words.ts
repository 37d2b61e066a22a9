/** The words of a template: a value is one word, or joins the text it touches; an array is as many words as it has. */
export function words(strings: readonly string[], values: readonly (string | number | readonly string[])[]): string[] {
  const list: string[] = [];
  let word: string | undefined;
  const end = () => {
    if (word !== undefined) list.push(word);
    word = undefined;
  };
  strings.forEach((text, i) => {
    text.split(/(\s+)/).forEach((part) => {
      if (/^\s+$/.test(part)) end();
      else if (part) word = (word ?? "") + part;
    });
    const value = values[i];
    if (value === undefined) return;
    if (Array.isArray(value)) {
      value.forEach((v: string, k) => {
        if (k > 0) end();
        word = (word ?? "") + v;
      });
    } else word = (word ?? "") + String(value);
  });
  end();
  return list;
}
