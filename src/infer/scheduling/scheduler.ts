/**
 * Many requests, one model: each step is one pass over the next tokens of every running sequence (continuous batching). Sequences that
 * generate give one token each; prompts share what the step's budget leaves, so that streams stay smooth while a long prompt is read.
 */

import { EngineError, type EngineStats } from "../engine.ts";
import { Memory, type Reading } from "../kv-cache/kv-cache.ts";
import { isRepeatable, type ReuseRule, reuseRule } from "../kv-cache/reuse.ts";
import type { Model } from "../model.ts";
import { Drafter, type Read } from "./drafter.ts";
import { FairQueue } from "./fair-queue.ts";
import type { Job } from "./job.ts";
import { Pace } from "./pace.ts";
import { type Part, Pass, sharePrefill } from "./passes.ts";
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
const MOST_DRAFTING = 4;
/** Guesses pay by themselves where a pass waits for weights to be read: where those that fire are more than caches hold, in bytes. */
const READ_BOUND = 64 << 20;
/** Milliseconds between two passes for forms in the making, and for masks. */
const FORM_MS = 5;
const MASKS_MS = 10;
/** Steps that may pass a waiting request over because its rows are not free, before nobody else is let in. */
const MOST_PASSED_OVER = 64;

export class Scheduler {
  readonly model: Model;
  readonly limits: SchedulerLimits;
  private memory: Memory;
  private drafter: Drafter | null;
  private readonly readBound: boolean;
  private readonly rule: ReuseRule | null;
  /** Whether guessing ahead is worth it for a sequence alone: the first way guesses. */
  private readonly pace = new Pace();
  private readonly queue = new FairQueue<Job>();
  /** Jobs that gave their rows up for others and go on before anybody new. */
  private readonly resumed: Job[] = [];
  /** In the order of their admission. */
  private running: Job[] = [];
  /** Jobs whose form is still being made. */
  private preparing: Job[] = [];
  /** Running jobs whose next mask is. */
  private unmasked = new Set<Job>();
  private readonly totals = new Totals();

  constructor(model: Model, limits: SchedulerLimits) {
    this.model = model;
    this.limits = limits;
    this.rule = reuseRule(model, limits.prefill);
    ({ memory: this.memory, drafter: this.drafter } = this.emptyCache());
    this.readBound = model.firingBytes > READ_BOUND;
  }

  private emptyCache(): { memory: Memory; drafter: Drafter | null } {
    const drafts = Drafter.has(this.model);
    const memory = new Memory(this.model, this.limits.rows, drafts, this.rule);
    return { memory, drafter: drafts ? new Drafter(this.model, memory.cache) : null };
  }

  /** @throws EngineError "overloaded" if too many requests wait already, "invalid" for a form that is seen at once not to be possible */
  submit(job: Job): void {
    const waiting = this.waiting;
    if (waiting >= this.limits.waiting) {
      this.totals.counts.refused++;
      const retryAfter = this.totals.retryAfter(waiting, this.limits.running);
      throw new EngineError("overloaded", `${waiting} requests are waiting already; try again in ${retryAfter} s`, {
        retryAfter,
      });
    }
    const ready = job.request.constraint?.begin(performance.now() + FORM_MS) ?? true;
    this.totals.counts.requests++;
    this.totals.counts.promptTokens += job.promptLength;
    if (ready) this.queue.push(job.request.client, job);
    else this.preparing.push(job);
  }

  /** Takes a job out at once; its rows are free when this returns. */
  cancel(job: Job): void {
    const at = this.resumed.indexOf(job);
    if (at >= 0) this.resumed.splice(at, 1);
    else if (this.preparing.includes(job)) this.preparing = this.preparing.filter((other) => other !== job);
    else if (!this.queue.remove(job)) this.running = this.running.filter((other) => other !== job);
    this.keep(job);
    this.totals.counts.aborted++;
    job.end("abort");
    this.totals.ended(job.usage());
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
    const [job] = this.preparing;
    if (!job) return;
    this.preparing.shift();
    try {
      if (job.request.constraint!.begin(performance.now() + FORM_MS)) this.queue.push(job.request.client, job);
      else this.preparing.push(job);
    } catch (error) {
      job.outlet.fail(error);
    }
  }

  /** Those running that know which tokens may come next: finding out may take longer than a pass, and others do not wait for it. */
  private masked(): readonly Job[] {
    if (this.running.every(({ request }) => request.constraint === null)) {
      if (this.unmasked.size > 0) this.unmasked = new Set();
      return this.running;
    }
    const until = performance.now() + MASKS_MS;
    const before = this.unmasked;
    this.unmasked = new Set();
    // Whoever was not ready last time comes behind those who may be ready at once.
    const order = [...this.running].sort((a, b) => Number(before.has(a)) - Number(before.has(b)));
    for (const job of order) {
      try {
        if (!job.prepare(until)) this.unmasked.add(job);
      } catch (error) {
        this.drop(job);
        job.outlet.fail(error);
      }
    }
    return this.running.filter((job) => !this.unmasked.has(job));
  }

  /** Ends every request with an error and begins with an empty cache: for failures that leave the bookkeeping in doubt. */
  reset(error: unknown): void {
    const jobs = [...this.running, ...this.resumed, ...this.preparing, ...this.queue.clear()];
    this.running = [];
    this.preparing = [];
    this.resumed.length = 0;
    ({ memory: this.memory, drafter: this.drafter } = this.emptyCache());
    for (const job of jobs) job.outlet.fail(error);
  }

  /** One pass. Where it fails its jobs are tried one by one, so that only those end that cannot be computed. */
  private attempt(parts: readonly Part[]): void {
    const before = parts.map(({ job }) => ({ past: job.past, length: job.tokens.length }));
    const tokens = parts.reduce((sum, { count }) => sum + count, 0);
    try {
      this.model.threads.run(tokens, () => this.pass(parts, tokens));
    } catch (error) {
      parts.forEach(({ job, count }, i) => {
        job.guess = null;
        // Whoever has drawn already lacks nothing but the next guess.
        if (!job.region || job.tokens.length > before[i].length) return;
        job.past = before[i].past;
        job.region.used = job.past;
        job.region.repeatable = Math.min(job.region.repeatable, job.past);
        if (parts.length > 1) this.attempt([{ job, count: Math.min(count, job.waiting) }]);
        else this.fail(job, error);
      });
    }
  }

  /** Ends a job whose rows hold nothing that can be trusted. */
  private fail(job: Job, error: unknown): void {
    this.running = this.running.filter((other) => other !== job);
    if (job.region) this.memory.release(job.region);
    job.region = null;
    job.outlet.fail(error);
  }

  stats(): EngineStats {
    const running = this.running.reduce((sum, { region }) => sum + region!.capacity, 0);
    return {
      running: this.running.length,
      waiting: this.waiting,
      cacheRows: this.limits.rows,
      usedRows: running,
      keptRows: this.memory.keptRows,
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
        if (item.passedOver++ > MOST_PASSED_OVER) return;
      }
      if (!admitted) return;
    }
  }

  /** Gives a job rows, with what is cached of its beginning; false if there are too few. */
  private place(job: Job): boolean {
    const { tokens } = job;
    const wanted = this.capacityFor(job, tokens.length);
    // The last token is always read, for its logits; of a prompt that is to be reported, every one.
    const most = job.scoresPrompt ? 0 : tokens.length - 1;
    job.region = this.memory.place(job, most, wanted, this.running as (Job & Reading)[]);
    if (!job.region) return false;
    job.past = job.region.used;
    if (!job.started) {
      job.cached = job.past;
      this.totals.counts.cachedTokens += job.past;
    }
    job.admitted();
    this.running.push(job);
    return true;
  }

  /** Rows for `length` tokens and some of those to come. */
  private capacityFor(job: Job, length: number): number {
    return Math.min(length + Math.min(Math.max(0, job.left), Math.max(HEADROOM, length >> 2)), this.limits.rows);
  }

  /** Which tokens go through the next pass: those being generated first, then pieces of prompts. */
  private plan(ready: readonly Job[]): Part[] {
    const parts: Part[] = [];
    const reading: Job[] = [];
    for (const job of ready) {
      if (job.waiting > 1) reading.push(job);
      else parts.push({ job, count: job.guess === null ? 1 : 2 });
    }
    if (reading.length > 0) parts.push(...sharePrefill(reading, this.limits.prefill, this.rule?.minPiece ?? 1));
    for (const { job, count } of parts) if (job.region) this.secure(job, count);
    // Whoever gave rows up for others has none now.
    return parts.filter(({ job }) => job.region);
  }

  /** Rows for a job's next tokens. Where there are none the youngest sequence gives its own up, be it the job itself. */
  private secure(job: Job, count: number): void {
    const needed = job.past + count;
    while (job.region && needed > job.region.capacity) {
      const { memory } = this;
      if (memory.grow(job.region, this.capacityFor(job, needed)) || memory.grow(job.region, needed)) return;
      const youngest = this.running.pop()!;
      this.keep(youngest);
      this.resumed.unshift(youngest);
    }
  }

  /** Counts tokens of a job that a pass of `tokens` has read. */
  private read(job: Job, count: number, tokens: number): void {
    const region = job.region!;
    if (this.rule && region.repeatable === job.past && isRepeatable(this.rule, { from: job.past, count, tokens }))
      region.repeatable += count;
    job.past += count;
    region.used = job.past;
  }

  private pass(parts: readonly Part[], tokens: number): void {
    const started = performance.now();
    const [{ job: first }] = parts;
    // Of a greedy sequence alone, a step that checks a guess and makes one, or neither, tells how quick that way is.
    const tells = parts.length === 1 && first.waiting === 1 && first.request.settings.temperature === 0;
    const { length } = first.tokens;
    const checked = first.guess !== null;
    const pass = new Pass(this.model, this.memory.cache, parts, tokens);
    const reads: Read[] = [];
    let row = 0;
    for (const { job, count } of parts) {
      if (job.scoresPrompt)
        pass.eachLogits(row, count, (i, logits) => job.scored(job.past + i, logits, pass.experts(job, row + i)));
      reads.push({ job, from: job.past, count, row });
      row += count;
      this.read(job, count, tokens);
    }
    this.draw(
      pass,
      reads.filter(({ job }) => job.waiting <= 0),
    );
    if (this.drafter && this.running.length <= MOST_DRAFTING)
      this.drafter.guess(
        pass,
        reads.filter((read) => this.wantsGuess(read)),
      );
    if (tells && checked === this.pace.first && checked === (first.guess !== null))
      this.pace.took((performance.now() - started) / 1000, first.tokens.length - length);
  }

  /** Draws the next token of jobs that have been read to their ends, and one more where a guess was right. */
  private draw(pass: Pass, reads: readonly Read[]): void {
    // Of a job with a guess: the row before it, and the guess's own.
    const rows: number[] = [];
    for (const { job, row, count } of reads) {
      if (job.guess !== null) rows.push(row + count - 2);
      rows.push(row + count - 1);
    }
    const logits = rows.length > 0 ? pass.logits(rows) : [];
    let at = 0;
    for (const read of reads) {
      const { job } = read;
      const { guess } = job;
      job.guess = null;
      const own = at;
      at += guess === null ? 1 : 2;
      try {
        job.start();
        let reason = job.draw(logits[own], pass.experts(job, rows[own]), guess);
        if (guess !== null) {
          job.drafted++;
          if (job.tokens[job.past - 1] === guess) {
            job.accepted++;
            reason ??= job.draw(logits[own + 1], pass.experts(job, rows[own + 1]), null);
          } else {
            // What was read behind the token was another's.
            job.past--;
            job.region!.used--;
            read.count--;
          }
        }
        if (reason) this.finish(job, reason);
      } catch (error) {
        // What goes wrong with one answer is no matter of the others.
        this.drop(job);
        job.outlet.fail(error);
      }
    }
  }

  /** Whether a guess is of use to a job that has just been read. */
  private wantsGuess({ job }: Read): boolean {
    const { draft, temperature } = job.request.settings;
    // Of a greedy text most guesses are right, which may pay for a sequence alone even where reading weights does not bind.
    const pays = this.readBound || (temperature === 0 && this.running.length === 1 && this.pace.first);
    return job.region !== null && (draft ?? pays) && this.seesNext(job);
  }

  /** Whether it is known which token may come next, as far as that is found out at once. */
  private seesNext(job: Job): boolean {
    try {
      return job.prepare(performance.now() + 1);
    } catch {
      // The next pass says so.
      return false;
    }
  }

  private finish(job: Job, reason: Parameters<Job["end"]>[0]): void {
    this.drop(job);
    job.end(reason);
    this.totals.ended(job.usage());
  }

  private drop(job: Job): void {
    this.running = this.running.filter((other) => other !== job);
    this.keep(job);
  }

  /** A job's rows stay for prompts that begin as it did. */
  private keep(job: Job): void {
    if (job.region) this.memory.keep(job, job.region);
    job.region = null;
    job.past = 0;
    job.guess = null;
  }
}
