/** google.rpc.Code: those that containerd tells errors apart by. */
export const CODE = {
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  alreadyExists: 6,
  failedPrecondition: 9,
  unimplemented: 12,
  unavailable: 14,
} as const;

/** An answer that is an error. */
export class StatusError extends Error {
  override readonly name = "StatusError";
  readonly code: number;

  constructor(code: keyof typeof CODE | number, message: string) {
    super(message);
    this.code = typeof code === "number" ? code : CODE[code];
  }
}
