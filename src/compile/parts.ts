import type { Job } from "./job.ts";

/** What only some programs need of this folder, and is loaded for them alone: most of a start from cold is reading code. */
export type Parts = { readonly network?: typeof import("./network.ts") };

export const partsFor = async (job: Pick<Job, "network">): Promise<Parts> =>
  job.network ? { network: await import("./network.ts") } : {};
