/** What the tests of networks ask for pages by, and wait by. */

/** A request by bash alone, which every Debian has: the last line of the answer, or "refused". */
export const asking = (host: string, port: number | string, path: string): string =>
  `timeout 2 bash -c "exec 3<>/dev/tcp/${host}/${port} && printf 'GET ${path} HTTP/1.0\\r\\n\\r\\n' >&3 && tail -n 1 <&3" 2>/dev/null || echo refused`;

export async function until(what: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; i < 100; i++) {
    if (await what()) return;
    await new Promise((r) => setTimeout(r, 50));
  }
  throw new Error(`never: ${what}`);
}
