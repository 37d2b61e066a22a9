import { expect, test } from "bun:test";
import { namesForOnce, placesOf, wordsToFind } from "../../src/remember/environment-words.ts";

const words = ["run", "-e", "A=1", "--env", "B=x=y", "-e", "PATH=/bin", "-e", "A=2", "--"];
const listed = ["A=1", "B=x=y", "PATH=/bin", "A=2"];

test("what is kept is found by names, and by what decides which file is executed", () => {
  expect(wordsToFind(words)).toEqual(["run", "-e", "A", "--env", "B", "-e", "PATH=/bin", "-e", "A", "--"]);
  expect(wordsToFind(["run", "A=1", "--env=B=2"])).toEqual(["run", "A=1", "--env=B=2"]);
});

test("names of which the value does not matter, each once, and where they are given", () => {
  expect(namesForOnce(words, listed)).toEqual(["A", "B"]);
  expect(placesOf(words, "A")).toEqual([2, 8]);
  expect(placesOf(words, "B")).toEqual([4]);
});

test("where another word gives a value, too, none; nor what is no plain name", () => {
  expect(namesForOnce(["run", "-e", "A=1", "--env=A=2", "--"], ["A=1", "A=2"])).toEqual([]);
  expect(namesForOnce(["run", "-e", "1=a", "-e", "a.b=c", "-e", "É=d", "--"], ["1=a", "a.b=c", "É=d"])).toEqual([]);
});
