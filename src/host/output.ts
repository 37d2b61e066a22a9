import { writeSync } from "node:fs";
import { bytesOf } from "../values/bytes.ts";
import { codeOf } from "../values/code-of.ts";
import { CaissonError } from "../values/errors.ts";
import { pause } from "./pause.ts";

const EPIPE_STATUS = 141;
const PAUSE_MS = 1;

/**
 * Writes all of a text, or of bytes, to a descriptor at once. The streams of the runtime are not used: loading them takes longer than
 * most commands do.
 */
export function put(fd: number, what: string | Uint8Array): void {
  const bytes = typeof what === "string" ? bytesOf(what) : what;
  for (let at = 0; at < bytes.length; )
    try {
      at += writeSync(fd, bytes, at);
    } catch (e) {
      const code = codeOf(e);
      // Whoever reads is gone: as SIGPIPE would have it.
      if (code === "EPIPE") process.exit(EPIPE_STATUS);
      if (code === "EAGAIN") pause(PAUSE_MS);
      // Where errors are said nothing else can be: the status tells.
      else if (fd === 2) return;
      else throw new CaissonError(`write to ${fd === 1 ? "standard output" : `descriptor ${fd}`}: ${code}`);
    }
}
