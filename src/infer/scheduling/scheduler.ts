/**
 * Many requests, one model: each step is one pass over the next tokens of every running sequence (continuous batching). Sequences that
 * generate give one token each; prompts share what the step's budget leaves, so that streams stay smooth while a long prompt is read.
 */

import { EngineError, type EngineStats } from "../engine.ts";
import { KvCache, type Reading } from "../kv-cache/kv-cache.ts";
import { isRepeatable, type ReuseRule, reuseRule } from "../kv-cache/reuse.ts";
import type { Model } from "../model.ts";
import { Autotuner } from "./autotuner.ts";
import { Drafter, type Read } from "./drafter.ts";
import { FairQueue } from "./fair-queue.ts";
import { type Part, Pass, sharePrefill } from "./passes.ts";
import type { Request } from "./request.ts";
import { Totals } from "./totals.ts";

export interface SchedulerLimits {
  /** Requests that are answered at the same time. */
  running: number;
  /** Requests that may wait for a place. */
  waiting: number;
  /** Rows of the latent cache. */
  rows: number;
  /** Tokens of a step beside those that are being generated. */
  prefill: number;
}

/** Rows that a sequence gets beyond those it needs now. */
const HEADROOM = 64;
/** Sequences that are guessed ahead for at most: with many, a pass is worth more to other sequences than to guesses. */
const MAX_DRAFTING = 4;
/** Guesses pay by themselves where a pass waits for weights to be read: where those that fire are more than caches hold, in bytes. */
const READ_BOUND = 64 << 20;
/** Milliseconds between two passes for forms in the making, and for masks. */
const FORM_MS = 5;
const MASKS_MS = 10;
/** Steps that may pass a waiting request over because its rows are not free, before nobody else is let in. */
const MAX_PASSED_OVER = 64;

export class Scheduler {
  readonly model: Model;
  readonly limits: SchedulerLimits;
  private kvCache: KvCache;
  private drafter: Drafter | null;
  private readonly readBound: boolean;
  private readonly rule: ReuseRule | null;
  /** Whether guessing ahead is worth it for a sequence alone: the first way guesses. */
  private readonly tuner = new Autotuner();
  private readonly queue = new FairQueue<Request>();
  /** Requests that gave their rows up for others and go on before anybody new. */
  private readonly resumed: Request[] = [];
  /** In the order of their admission. */
  private running: Request[] = [];
  /** Requests whose form is still being made. */
  private preparing: Request[] = [];
  /** Running requests whose next mask is. */
  private unmasked = new Set<Request>();
  private readonly totals = new Totals();

  constructor(model: Model, limits: SchedulerLimits) {
    this.model = model;
    this.limits = limits;
    this.rule = reuseRule(model, limits.prefill);
    ({ kvCache: this.kvCache, drafter: this.drafter } = this.emptyCache());
    this.readBound = model.firingBytes > READ_BOUND;
  }

  private emptyCache(): { kvCache: KvCache; drafter: Drafter | null } {
    const drafts = Drafter.has(this.model);
    const kvCache = new KvCache(this.model, this.limits.rows, drafts, this.rule);
    return { kvCache, drafter: drafts ? new Drafter(this.model, kvCache.cache) : null };
  }

  /** @throws EngineError "overloaded" if too many requests wait already, "invalid" for a form that is seen at once not to be possible */
  submit(request: Request): void {
    const waiting = this.waiting;
    if (waiting >= this.limits.waiting) {
      this.totals.counts.refused++;
      const retryAfter = this.totals.retryAfter(waiting, this.limits.running);
      throw new EngineError("overloaded", `${waiting} requests are waiting already; try again in ${retryAfter} s`, {
        retryAfter,
      });
    }
    const ready = request.prepared.constraint?.begin(performance.now() + FORM_MS) ?? true;
    this.totals.counts.requests++;
    this.totals.counts.promptTokens += request.promptLength;
    if (ready) this.queue.push(request.prepared.client, request);
    else this.preparing.push(request);
  }

  /** Takes a request out at once; its rows are free when this returns. */
  cancel(request: Request): void {
    const at = this.resumed.indexOf(request);
    if (at >= 0) this.resumed.splice(at, 1);
    else if (this.preparing.includes(request)) this.preparing = this.preparing.filter((other) => other !== request);
    else if (!this.queue.remove(request)) this.running = this.running.filter((other) => other !== request);
    this.keep(request);
    this.totals.counts.aborted++;
    request.end("abort");
    this.totals.ended(request.usage());
  }

  /** One pass. False if there is nothing to do. */
  step(): boolean {
    this.makeForms();
    this.admit();
    const parts = this.plan(this.masked());
    if (parts.length === 0) return this.preparing.length > 0 || this.unmasked.size > 0;
    this.attempt(parts);
    return true;
  }

  private get waiting(): number {
    return this.queue.size + this.resumed.length + this.preparing.length;
  }

  /** Goes on with the forms of those who wait for one, each in its turn. */
  private makeForms(): void {
    const [request] = this.preparing;
    if (!request) return;
    this.preparing.shift();
    try {
      if (request.prepared.constraint!.begin(performance.now() + FORM_MS))
        this.queue.push(request.prepared.client, request);
      else this.preparing.push(request);
    } catch (error) {
      request.sink.fail(error);
    }
  }

  /** Those running that know which tokens may come next: finding out may take longer than a pass, and others do not wait for it. */
  private masked(): readonly Request[] {
    if (this.running.every(({ prepared }) => prepared.constraint === null)) {
      if (this.unmasked.size > 0) this.unmasked = new Set();
      return this.running;
    }
    const until = performance.now() + MASKS_MS;
    const before = this.unmasked;
    this.unmasked = new Set();
    // Whoever was not ready last time comes behind those who may be ready at once.
    const order = [...this.running].sort((a, b) => Number(before.has(a)) - Number(before.has(b)));
    for (const request of order) {
      try {
        if (!request.prepare(until)) this.unmasked.add(request);
      } catch (error) {
        this.drop(request);
        request.sink.fail(error);
      }
    }
    return this.running.filter((request) => !this.unmasked.has(request));
  }

  /** Ends every request with an error and begins with an empty cache: for failures that leave the bookkeeping in doubt. */
  reset(error: unknown): void {
    const requests = [...this.running, ...this.resumed, ...this.preparing, ...this.queue.clear()];
    this.running = [];
    this.preparing = [];
    this.resumed.length = 0;
    ({ kvCache: this.kvCache, drafter: this.drafter } = this.emptyCache());
    for (const request of requests) request.sink.fail(error);
  }

  /** One pass. Where it fails its requests are tried one by one, so that only those end that cannot be computed. */
  private attempt(parts: readonly Part[]): void {
    const before = parts.map(({ request }) => ({ past: request.past, length: request.tokens.length }));
    const tokens = parts.reduce((sum, { count }) => sum + count, 0);
    try {
      this.model.threads.run(tokens, () => this.pass(parts, tokens));
    } catch (error) {
      parts.forEach(({ request, count }, i) => {
        request.guess = null;
        // Whoever has drawn already lacks nothing but the next guess.
        if (!request.block || request.tokens.length > before[i].length) return;
        request.past = before[i].past;
        request.block.used = request.past;
        request.block.repeatable = Math.min(request.block.repeatable, request.past);
        if (parts.length > 1) this.attempt([{ request, count: Math.min(count, request.waiting) }]);
        else this.fail(request, error);
      });
    }
  }

  /** Ends a request whose rows hold nothing that can be trusted. */
  private fail(request: Request, error: unknown): void {
    this.running = this.running.filter((other) => other !== request);
    if (request.block) this.kvCache.release(request.block);
    request.block = null;
    request.sink.fail(error);
  }

  stats(): EngineStats {
    const running = this.running.reduce((sum, { block }) => sum + block!.capacity, 0);
    return {
      running: this.running.length,
      waiting: this.waiting,
      cacheRows: this.limits.rows,
      usedRows: running,
      keptRows: this.kvCache.keptRows,
      ...this.totals.counts,
    };
  }

  /** Lets requests in while there are places and rows. */
  private admit(): void {
    while (this.running.length < this.limits.running) {
      if (this.resumed.length > 0) {
        if (!this.place(this.resumed[0])) return;
        this.resumed.shift();
        continue;
      }
      let admitted = false;
      for (const { client, item } of this.queue.heads()) {
        if (this.place(item)) {
          this.queue.take(client);
          admitted = true;
          break;
        }
        if (item.passedOver++ > MAX_PASSED_OVER) return;
      }
      if (!admitted) return;
    }
  }

  /** Gives a request rows, with what is cached of its beginning; false if there are too few. */
  private place(request: Request): boolean {
    const { tokens } = request;
    const wanted = this.capacityFor(request, tokens.length);
    // The last token is always read, for its logits; of a prompt that is to be reported, every one.
    const most = request.scoresPrompt ? 0 : tokens.length - 1;
    request.block = this.kvCache.place(request, most, wanted, this.running as (Request & Reading)[]);
    if (!request.block) return false;
    request.past = request.block.used;
    if (!request.started) {
      request.cached = request.past;
      this.totals.counts.cachedTokens += request.past;
    }
    request.admitted();
    this.running.push(request);
    return true;
  }

  /** Rows for `length` tokens and some of those to come. */
  private capacityFor(request: Request, length: number): number {
    return Math.min(length + Math.min(Math.max(0, request.left), Math.max(HEADROOM, length >> 2)), this.limits.rows);
  }

  /** Which tokens go through the next pass: those being generated first, then pieces of prompts. */
  private plan(ready: readonly Request[]): Part[] {
    const parts: Part[] = [];
    const reading: Request[] = [];
    for (const request of ready) {
      if (request.waiting > 1) reading.push(request);
      else parts.push({ request, count: request.guess === null ? 1 : 2 });
    }
    if (reading.length > 0) parts.push(...sharePrefill(reading, this.limits.prefill, this.rule?.minPiece ?? 1));
    for (const { request, count } of parts) if (request.block) this.secure(request, count);
    // Whoever gave rows up for others has none now.
    return parts.filter(({ request }) => request.block);
  }

  /** Rows for a request's next tokens. Where there are none the youngest sequence gives its own up, be it the request itself. */
  private secure(request: Request, count: number): void {
    const needed = request.past + count;
    while (request.block && needed > request.block.capacity) {
      const { kvCache } = this;
      if (kvCache.grow(request.block, this.capacityFor(request, needed)) || kvCache.grow(request.block, needed)) return;
      const youngest = this.running.pop()!;
      this.keep(youngest);
      this.resumed.unshift(youngest);
    }
  }

  /** Counts tokens of a request that a pass of `tokens` has read. */
  private read(request: Request, count: number, tokens: number): void {
    const block = request.block!;
    if (
      this.rule &&
      block.repeatable === request.past &&
      isRepeatable(this.rule, { from: request.past, count, tokens })
    )
      block.repeatable += count;
    request.past += count;
    block.used = request.past;
  }

  private pass(parts: readonly Part[], tokens: number): void {
    const started = performance.now();
    const [{ request: first }] = parts;
    // Of a greedy sequence alone, a step that checks a guess and makes one, or neither, tells how quick that way is.
    const tells = parts.length === 1 && first.waiting === 1 && first.prepared.params.temperature === 0;
    const { length } = first.tokens;
    const checked = first.guess !== null;
    const pass = new Pass(this.model, this.kvCache.cache, parts, tokens);
    const reads: Read[] = [];
    let row = 0;
    for (const { request, count } of parts) {
      if (request.scoresPrompt)
        pass.eachLogits(row, count, (i, logits) =>
          request.scored(request.past + i, logits, pass.experts(request, row + i)),
        );
      reads.push({ request, from: request.past, count, row });
      row += count;
      this.read(request, count, tokens);
    }
    this.draw(
      pass,
      reads.filter(({ request }) => request.waiting <= 0),
    );
    if (this.drafter && this.running.length <= MAX_DRAFTING)
      this.drafter.guess(
        pass,
        reads.filter((read) => this.wantsGuess(read)),
      );
    if (tells && checked === this.tuner.first && checked === (first.guess !== null))
      this.tuner.took((performance.now() - started) / 1000, first.tokens.length - length);
  }

  /** Draws the next token of requests that have been read to their ends, and one more where a guess was right. */
  private draw(pass: Pass, reads: readonly Read[]): void {
    // Of a request with a guess: the row before it, and the guess's own.
    const rows: number[] = [];
    for (const { request, row, count } of reads) {
      if (request.guess !== null) rows.push(row + count - 2);
      rows.push(row + count - 1);
    }
    const logits = rows.length > 0 ? pass.logits(rows) : [];
    let at = 0;
    for (const read of reads) {
      const { request } = read;
      const { guess } = request;
      request.guess = null;
      const own = at;
      at += guess === null ? 1 : 2;
      try {
        request.start();
        let reason = request.draw(logits[own], pass.experts(request, rows[own]), guess);
        if (guess !== null) {
          request.drafted++;
          if (request.tokens[request.past - 1] === guess) {
            request.accepted++;
            reason ??= request.draw(logits[own + 1], pass.experts(request, rows[own + 1]), null);
          } else {
            // What was read behind the token was another's.
            request.past--;
            request.block!.used--;
            read.count--;
          }
        }
        if (reason) this.finish(request, reason);
      } catch (error) {
        // What goes wrong with one answer is no matter of the others.
        this.drop(request);
        request.sink.fail(error);
      }
    }
  }

  /** Whether a guess is of use to a request that has just been read. */
  private wantsGuess({ request }: Read): boolean {
    const { draft, temperature } = request.prepared.params;
    // Of a greedy text most guesses are right, which may pay for a sequence alone even where reading weights does not bind.
    const pays = this.readBound || (temperature === 0 && this.running.length === 1 && this.tuner.first);
    return request.block !== null && (draft ?? pays) && this.seesNext(request);
  }

  /** Whether it is known which token may come next, as far as that is found out at once. */
  private seesNext(request: Request): boolean {
    try {
      return request.prepare(performance.now() + 1);
    } catch {
      // The next pass says so.
      return false;
    }
  }

  private finish(request: Request, reason: Parameters<Request["end"]>[0]): void {
    this.drop(request);
    request.end(reason);
    this.totals.ended(request.usage());
  }

  private drop(request: Request): void {
    this.running = this.running.filter((other) => other !== request);
    this.keep(request);
  }

  /** A request's rows stay for prompts that begin as it did. */
  private keep(request: Request): void {
    if (request.block) this.kvCache.keep(request, request.block);
    request.block = null;
    request.past = 0;
    request.guess = null;
  }
}
