/** What goes wrong when an engine is asked. */

export type EngineErrorKind =
  /** The request cannot be served as it is: `param` names the field. */
  | "invalid"
  | "context_length"
  | "not_found"
  /** The queue is full: try again after `retryAfter` seconds. */
  | "overloaded"
  /** The engine is stopping, or an upstream cannot be reached. */
  | "unavailable"
  | "timeout"
  /** The finished answer lacks what it could not be held to while it was written (`grammar/keywords.ts`): ask again. */
  | "unfulfilled"
  /** An upstream refused or failed; `status` is what it said. */
  | "upstream"
  | "internal";

export class EngineError extends Error {
  readonly kind: EngineErrorKind;
  readonly param: string | null;
  /** Seconds. */
  readonly retryAfter: number | null;
  readonly status: number | null;

  constructor(
    kind: EngineErrorKind,
    message: string,
    detail: { param?: string; retryAfter?: number; status?: number } = {},
  ) {
    super(message);
    this.name = "EngineError";
    this.kind = kind;
    this.param = detail.param ?? null;
    this.retryAfter = detail.retryAfter ?? null;
    this.status = detail.status ?? null;
  }
}
