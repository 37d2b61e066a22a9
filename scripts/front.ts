/**
 * front.ts COMPILED FRONT caisson|caisson-oci: puts native/front.c and the program of the small commands into a compiled command. Two program
 * headers that a static start has no use for (the loader's path, the notes) make room for the front's two segments.
 */
import { closeSync, fstatSync, openSync, readFileSync, readSync, writeSync } from "node:fs";
import { commandFront } from "../src/front/command.ts";
import { smallCommands } from "../src/front/dispatch.ts";
import { hostArch } from "../src/kernel/arch.ts";
import { encode } from "../src/program/encode.ts";

const [compiled = "", frontPath = "", which = ""] = process.argv.slice(2);
const make = { caisson: commandFront, "caisson-oci": smallCommands }[which];
if (!make) throw new Error(`${which}: neither caisson nor caisson-oci`);
const PT = { LOAD: 1, INTERP: 3, NOTE: 4, PHDR: 6 } as const;
const HEADER = 56;
/** The largest that a kernel of the architecture may have. */
const PAGE = hostArch() === "aarch64" ? 65536 : 4096;
const LINKED = Buffer.from("ssonLinkedHere01", "latin1");
const ENGINE = Buffer.from("caissonFrontEng1", "latin1");

const align = (n: number, to: number, offset = 0) => Math.ceil((n - offset) / to) * to + offset;
const u64 = (b: Buffer, at: number) => Number(b.readBigUInt64LE(at));
const headersOf = (b: Buffer) =>
  Array.from({ length: b.readUInt16LE(56) }, (_, i) =>
    b.subarray(u64(b, 32) + HEADER * i, u64(b, 32) + HEADER * (i + 1)),
  );

const fd = openSync(compiled, "r+");
const head = Buffer.alloc(PAGE);
readSync(fd, head, 0, PAGE, 0);
const headers = headersOf(head);
const interp = headers.find((h) => h.readUInt32LE(0) === PT.INTERP);
const kept = headers.filter((h) => h.readUInt32LE(0) !== PT.INTERP && h.readUInt32LE(0) !== PT.NOTE);
if (!interp || headers.length - kept.length !== 2) throw new Error(`${compiled}: not laid out as a front needs it`);
const path = Buffer.alloc(u64(interp, 32));
readSync(fd, path, 0, path.length, u64(interp, 8));

const front = readFileSync(frontPath);
const [code, data] = headersOf(front).filter((h) => h.readUInt32LE(0) === PT.LOAD) as [Buffer, Buffer];
const above = Math.max(...kept.map((h) => u64(h, 16) + u64(h, 40)));
if (above > u64(code, 16)) throw new Error(`${compiled}: its segments reach up to where the front is`);

// What is zero at the start is in the file, too: a kernel before 6.10 clears only what follows the last segment.
const bytes = Buffer.alloc(align(u64(data, 40), 8));
front.copy(bytes, 0, u64(data, 8), u64(data, 8) + u64(data, 32));
const program = encode(make(hostArch()), false);
// The dynamic loader gets the headers as they were; one of them says where they are.
const before = Buffer.concat(headers.map((h) => Buffer.from(h)));
const beforeAt = u64(data, 16) + bytes.length;
const itself = headers.findIndex((h) => h.readUInt32LE(0) === PT.PHDR);
for (const field of [16, 24]) before.writeBigUInt64LE(BigInt(beforeAt), HEADER * itself + field);
bytes.writeBigUInt64LE(BigInt(beforeAt + before.length), bytes.indexOf(LINKED) + LINKED.length);
const engine = bytes.indexOf(ENGINE) + ENGINE.length;
bytes.writeBigUInt64LE(head.readBigUInt64LE(24), engine);
bytes.writeBigUInt64LE(BigInt(beforeAt), engine + 8);
bytes.writeBigUInt64LE(BigInt(headers.length), engine + 16);
path.copy(bytes, engine + 24);
const written = Buffer.concat([bytes, before, program]);

const size = fstatSync(fd).size;
const codeAt = align(size, PAGE);
const dataAt = align(codeAt + u64(code, 32), PAGE, u64(data, 16) % PAGE);
const segment = (from: Buffer, at: number, length: number) => {
  const h = Buffer.from(from);
  h.writeBigUInt64LE(BigInt(at), 8);
  h.writeBigUInt64LE(BigInt(length), 32);
  h.writeBigUInt64LE(BigInt(length), 40);
  return h;
};
const table = Buffer.concat([...kept, segment(code, codeAt, u64(code, 32)), segment(data, dataAt, written.length)]);
writeSync(fd, front, u64(code, 8), u64(code, 32), codeAt);
writeSync(fd, written, 0, written.length, dataAt);
writeSync(fd, table, 0, table.length, u64(head, 32));
// Last, so that a file on which this fails starts as before.
writeSync(fd, front, 24, 8, 24);
closeSync(fd);
