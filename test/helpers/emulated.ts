/** In an emulated machine all takes twentyfold: what is done many times is done a third as often there. */
const PART = 3;

export const isEmulated = process.env["CAISSON_TEST_EMULATED"] !== undefined;

export const rounds = (count: number): number => (isEmulated ? Math.floor(count / PART) : count);

/** A few are all done. */
export const someOf = <T>(all: readonly T[]): readonly T[] =>
  isEmulated && all.length > PART * PART ? all.filter((_, i) => i % PART === 0) : all;
