import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { namesForOnce, sampleOf, takeSample, writeSample } from "../../../src/oci/kept/samples.ts";

const [A, B] = ["a".repeat(60), "b".repeat(60)].map((text) => `0123${text}`) as [string, string];
const UUIDS = ["b12b5b24-3818-5694-91f8-c49f6bcf9647", "eeaecbb1-f5bc-1e1b-6b92-cdf025295516"] as const;
const TIMES = ["2026-11-30T20:57:53.259475621Z", "2026-11-30T20:57:53.734442447Z"] as const;
const text = (said: string) => ({ kind: "text", path: "/config.json", reads: [1], text: said }) as const;
const sample = (id: string, said: string, program = `program of ${id}`) =>
  sampleOf(["create", `/run/${id}`, id], [text(said)], program);

describe("names for once", () => {
  test("ids, UUIDs and times, as far as they are others: the order is that in which they come", () => {
    const said = (id: string, n: 0 | 1) =>
      JSON.stringify({ id, host: id.slice(0, 12), ns: UUIDS[n], at: TIMES[n], image: "c".repeat(64) });
    const [own, other] = [sample(A, said(A, 0)), sample(B, said(B, 1))];
    expect(namesForOnce(own, other, A)).toEqual([A, A.slice(0, 12), UUIDS[0], TIMES[0]]);
    expect(namesForOnce(other, own, B)).toEqual([B, B.slice(0, 12), UUIDS[1], TIMES[1]]);
  });

  test("bundles that differ in anything else are of two kinds, and so are those of one id", () => {
    const own = sample(A, `{"id":"${A}","n":1}`);
    for (const other of [
      sample(B, `{"id":"${B}","n":2}`),
      sample(B, `{"id":"${A}","n":1}`),
      sample(B, `{"id":"${B}","n":1}`, "another program"),
      sample(B, `{"id":"${B}","n":1}`, `program of ${A}`),
      sample(B, `{"id":"${B}","n":1,"more":"${UUIDS[0]}"}`),
      own,
    ])
      expect(namesForOnce(own, other, A)).toBeUndefined();
  });

  test("numbers are none, however many digits they have; what is in a text may be", () => {
    const said = (id: string, limit: string) => `{"id":"${id}","limit":${limit}}`;
    const [one, two] = ["100000000000", "200000000000"];
    expect(namesForOnce(sample(A, said(A, one)), sample(B, said(B, two)), A)).toBeUndefined();
    expect(namesForOnce(sample(A, said(A, `"${one}"`)), sample(B, said(B, `"${two}"`)), A)).toEqual([A, one]);
    const device = (words: readonly [bigint, bigint]) => ({ kind: "mount", path: "/sys", words }) as const;
    const made = (id: string, n: bigint) => sampleOf(["create", id], [device([n, 1n])], "");
    expect(namesForOnce(made(A, 100000000000n), made(B, 200000000000n), A)).toBeUndefined();
  });

  test("a name that is a part of another is one only as the beginning of the id", () => {
    const said = (id: string, part: string) => `{"id":"${id}","part":"${part}"}`;
    const both = (part: (id: string) => string) =>
      namesForOnce(sample(A, said(A, part(A)), ""), sample(B, said(B, part(B)), ""), A);
    expect(both((id) => id.slice(0, 20))).toEqual([A, A.slice(0, 20)]);
    expect(both((id) => id.slice(20, 40))).toBeUndefined();
    expect(both((id) => `${id}0`)).toBeUndefined();
  });
});

describe("what is noted of one", () => {
  let at: string;
  beforeAll(() => {
    at = mkdtempSync(join(tmpdir(), "caisson-samples-"));
  });
  afterAll(() => rmSync(at, { recursive: true }));

  test("is taken once", () => {
    const checks = join(at, "1");
    expect(takeSample(checks)).toBeUndefined();
    const own = sample(A, "{}");
    writeSample(checks, own);
    expect(takeSample(checks)).toEqual(own);
    expect(takeSample(checks)).toBeUndefined();
    writeFileSync(`${checks}.sample`, '{"names":[');
    expect(takeSample(checks)).toBeUndefined();
    expect(readdirSync(at)).toEqual([]);
  });
});
