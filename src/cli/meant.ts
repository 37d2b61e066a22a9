/** Options and commands of Docker and podman that are said otherwise here, and how. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  "--cpu-shares": "--cpu-weight N, of which 100 is usual where Docker has 1024",
  "--cpu-quota": "--cpus N",
  "--cpu-period": "--cpus N",
  "--blkio-weight": "--io-weight N",
  "--device-read-iops": "--limit io.DEV.readOps=N",
  "--device-write-iops": "--limit io.DEV.writeOps=N",
  "--entrypoint": "COMMAND, since there is no image that has one",
  "--image": "--rootfs DIR",
  "--pull": "--rootfs DIR",
  "--platform": "--rootfs DIR",
  "--cidfile": "--name NAME, which is all there is to know it by",
  "--pidfile": "caisson inspect NAME",
  "--annotation": "--label K=V",
  "--label-file": "--label K=V",
  "--volumes-from": "--volume, as for the other one",
  "--link": "--network NAME: who is on it is found by name",
  "--restart": "a unit of systemd's, or a loop around caisson run",
  "--health-cmd": "caisson exec, as often as is of use",
  "--log-driver": "caisson logs --follow NAME, and a pipe",
  "--replace": "caisson rm --force NAME first",
  attach: "caisson logs --follow NAME, or caisson exec -t NAME sh",
  create: "caisson run --detach",
  start: "caisson run --detach",
  restart: "caisson stop NAME, and run it again",
  list: "caisson ps",
  ls: "caisson ps",
  images: "caisson run --rootfs DIR",
  pull: "caisson run --rootfs DIR",
  build: "caisson run --profile build",
  history: "caisson diff NAME",
  info: "caisson doctor",
  version: "caisson --version",
  container: "the same without that word",
};

/** How many letters have to be put in, left out, changed or exchanged with the next one to make one word of another. */
export function distance(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  const at = (i: number, j: number) => rows[i]?.[j] ?? 0;
  for (let i = 1; i <= a.length; i++) {
    rows.push([i]);
    for (let j = 1; j <= b.length; j++) {
      const isSame = a[i - 1] === b[j - 1];
      const isSwapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const ways = [at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + (isSame ? 0 : 1)];
      rows[i]?.push(Math.min(...ways, ...(isSwapped ? [at(i - 2, j - 2) + 1] : [])));
    }
  }
  return at(a.length, b.length);
}

/** A third of a word may be wrong, and two letters of a long one. */
const MOST_WRONG = 2;

/** What somebody may have meant by an option or a command that is not there: "; …", or nothing. */
export function meant(word: string, known: readonly string[]): string {
  if (Object.hasOwn(ELSEWHERE, word)) return `; here it is ${ELSEWHERE[word]}`;
  const letters = word.replace(/^--/, "").length;
  const most = Math.min(MOST_WRONG, Math.floor(letters / 3));
  const near = known.map((k) => ({ k, d: distance(word, k) })).sort((a, b) => a.d - b.d)[0];
  return near && near.d <= most ? `; ${near.k} is one` : "";
}
