/** A constraint that begins to hold once a mark has been written. */
import type { Tokenizer } from "../../text/index.ts";
import type { TokenMask } from "../sampling/logits-processors.ts";
import type { Constraint } from "../scheduling/request.ts";

export class Triggered implements Constraint {
  private readonly tokenizer: Tokenizer;
  private readonly mark: string;
  private readonly form: Constraint;
  private holds = false;
  /** The end of what was written, as one character for each byte. */
  private tail = "";

  constructor(tokenizer: Tokenizer, mark: string, form: Constraint) {
    this.tokenizer = tokenizer;
    this.mark = String.fromCharCode(...new TextEncoder().encode(mark));
    this.form = form;
  }

  get done(): boolean {
    return this.holds && this.form.done;
  }

  mask(left: number): TokenMask | null {
    return this.holds ? this.form.mask(left) : null;
  }

  /** The form is made before anything is written, so that what is wrong with it is said at once. */
  begin(until: number): boolean {
    return this.form.begin(until);
  }

  prepare(left: number, guess: number | null, until: number): boolean {
    return !this.holds || this.form.prepare(left, guess, until);
  }

  verdict(): string | null {
    return this.holds ? this.form.verdict() : null;
  }

  took(id: number): void {
    if (this.holds) {
      this.form.took(id);
      return;
    }
    // A token that ends with the mark begins the form; one with the mark inside has gone past it, and the reply stays free.
    this.tail = (this.tail + String.fromCharCode(...this.tokenizer.tokenBytes(id))).slice(-this.mark.length);
    this.holds = this.tail === this.mark;
  }
}
