import { isCode } from "../values/code-of.ts";
import { Client } from "./ttrpc/client.ts";

/** Ours, between the process that containerd starts for each container and the one that serves them all. */
export const RESERVATIONS = "caisson.shim.Reservations";

/** Tells the one that serves; `false` if nobody does. */
export async function tell(
  socket: string,
  method: "Reserve" | "Forget",
  payload: Uint8Array,
  timeoutMs: number,
): Promise<boolean> {
  let client: Client;
  try {
    client = await Client.connect(socket);
  } catch (e) {
    if (isCode(e, "ENOENT", "ECONNREFUSED")) return false;
    throw e;
  }
  try {
    await client.call(RESERVATIONS, method, payload, timeoutMs);
    return true;
  } finally {
    client.close();
  }
}
