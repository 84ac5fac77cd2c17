/**
 * Many requests, one model: each step is one pass over the next tokens of every running sequence (continuous batching). Sequences that
 * generate give one token each; prompts share what the step's budget leaves, so that streams stay smooth while a long prompt is read.
 */
import { LatentCache } from "../model/index.ts";
import { type F32, Tape, type Tensor } from "../tensor/index.ts";
import { EngineError, type EngineStats } from "./engine.ts";
import { FairQueue } from "./fair-queue.ts";
import type { Job } from "./job.ts";
import type { Model } from "./model.ts";
import { type Cached, PrefixCache } from "./prefix-cache.ts";
import { type Region, RowAllocator } from "./rows.ts";
import { expertsAt } from "./token-info.ts";

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

/** Shorter shared beginnings are computed again rather than copied. */
const LEAST_SHARED = 8;
/** Rows that a sequence gets beyond those it needs now. */
const HEADROOM = 64;
/** A prompt's piece is at least this long, where the prompt is: shorter ones do not pay for their pass. */
const LEAST_PIECE = 32;
/** Rows of a prompt whose logits are formed at a time. */
const SCORED_ROWS = 64;
/** Steps that may pass a waiting request over because its rows are not free, before nobody else is let in. */
const MOST_PASSED_OVER = 64;

/** What a job does in a pass. */
interface Part {
  job: Job;
  count: number;
}

export class Scheduler {
  readonly model: Model;
  readonly limits: SchedulerLimits;
  private readonly cache: LatentCache;
  private readonly rows: RowAllocator;
  private readonly kept: PrefixCache;
  private readonly queue = new FairQueue<Job>();
  /** Jobs that gave their rows up for others and go on before anybody new. */
  private readonly resumed: Job[] = [];
  /** In the order of their admission. */
  private running: Job[] = [];
  private readonly totals = {
    requests: 0,
    promptTokens: 0,
    cachedTokens: 0,
    completionTokens: 0,
    draftedTokens: 0,
    acceptedTokens: 0,
    refused: 0,
    aborted: 0,
  };
  /** Seconds from admission to end, smoothed: what `retryAfter` is estimated from. */
  private jobSeconds = 1;

  constructor(model: Model, limits: SchedulerLimits) {
    this.model = model;
    this.limits = limits;
    this.cache = new LatentCache(model.config, limits.rows, model.cacheDtype);
    this.rows = new RowAllocator(limits.rows, (from, to, count) => moveRows(this.cache, from, to, count));
    this.kept = new PrefixCache((region) => this.rows.release(region));
  }

  /** @throws EngineError "overloaded" if too many requests wait already */
  submit(job: Job): void {
    const waiting = this.queue.size + this.resumed.length;
    if (waiting >= this.limits.waiting) {
      this.totals.refused++;
      const retryAfter = Math.min(60, Math.max(1, Math.ceil((waiting / this.limits.running) * this.jobSeconds)));
      throw new EngineError("overloaded", `${waiting} requests are waiting already; try again in ${retryAfter} s`, {
        retryAfter,
      });
    }
    this.totals.requests++;
    this.totals.promptTokens += job.promptLength;
    this.queue.push(job.request.client, job);
  }

  /** Takes a job out at once; its rows are free when this returns. */
  cancel(job: Job): void {
    const at = this.resumed.indexOf(job);
    if (at >= 0) this.resumed.splice(at, 1);
    else if (!this.queue.remove(job)) this.running = this.running.filter((other) => other !== job);
    this.keep(job);
    this.totals.aborted++;
    job.end("abort");
    this.count(job);
  }

  /** One pass. False if there is nothing to do. */
  step(): boolean {
    this.admit();
    const parts = this.plan();
    if (parts.length === 0) return false;
    this.pass(parts);
    return true;
  }

  stats(): EngineStats {
    const running = this.running.reduce((sum, { region }) => sum + region!.capacity, 0);
    return {
      running: this.running.length,
      waiting: this.queue.size + this.resumed.length,
      cacheRows: this.limits.rows,
      usedRows: running,
      keptRows: this.kept.rows,
      ...this.totals,
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
    const found = this.kept.longest(tokens, most, this.running as (Job & { region: Region })[]);
    const entry = found.shared >= LEAST_SHARED ? found.entry : null;
    const shared = entry ? found.shared : 0;
    const isKept = entry !== null && this.kept.has(entry);
    const available = this.rows.free + this.kept.rows;
    if (wanted > available) return false;
    if (isKept && (shared >= entry.tokens.length - 1 || wanted > available - entry.region.capacity)) {
      // Nothing of the entry would be left over, or there is no room for both: it becomes the job's own.
      this.kept.take(entry);
      job.region = entry.region;
      this.grow(job.region, wanted);
    } else {
      job.region = this.allocate(wanted, entry);
      if (entry) moveRows(this.cache, entry.region.start, job.region.start, shared);
      if (isKept) this.kept.touch(entry);
    }
    job.region.used = shared;
    job.past = job.region.used;
    if (!job.started) {
      job.cached = job.past;
      this.totals.cachedTokens += job.past;
    }
    job.admitted();
    this.running.push(job);
    return true;
  }

  /** Rows for `length` tokens and some of those to come. */
  private capacityFor(job: Job, length: number): number {
    return Math.min(length + Math.min(Math.max(0, job.left), Math.max(HEADROOM, length >> 2)), this.limits.rows);
  }

  /** A region out of free rows and kept ones, which together must suffice. */
  private allocate(capacity: number, except: Cached | null): Region {
    while (this.rows.free < capacity) this.kept.evict(except);
    return this.rows.allocate(capacity)!;
  }

  private grow(region: Region, capacity: number): boolean {
    while (this.rows.free < capacity - region.capacity) if (!this.kept.evict()) return false;
    return this.rows.grow(region, capacity);
  }

  /** Which tokens go through the next pass: those being generated first, then pieces of prompts. */
  private plan(): Part[] {
    const parts: Part[] = [];
    const reading: Job[] = [];
    for (const job of this.running) {
      if (job.waiting === 1) parts.push({ job, count: 1 });
      else reading.push(job);
    }
    for (const [job, count] of share(reading, this.limits.prefill)) parts.push({ job, count });
    for (const { job, count } of parts) if (job.region) this.secure(job, count);
    // Whoever gave rows up for others has none now.
    return parts.filter(({ job }) => job.region);
  }

  /** Rows for a job's next tokens. Where there are none the youngest sequence gives its own up, be it the job itself. */
  private secure(job: Job, count: number): void {
    const needed = job.past + count;
    while (job.region && needed > job.region.capacity) {
      if (this.grow(job.region, this.capacityFor(job, needed)) || this.grow(job.region, needed)) return;
      const youngest = this.running.pop()!;
      this.keep(youngest);
      this.resumed.unshift(youngest);
    }
  }

  private pass(parts: readonly Part[]): void {
    const { model, cache } = this;
    model.arena.reset();
    const tape = new Tape({ kernels: model.kernels, arena: model.arena, precision: model.precision });
    const spans = parts.map(({ job, count }) => ({ rowStart: job.region!.start, past: job.past, count }));
    const ids = Int32Array.from(parts.flatMap(({ job, count }) => job.tokens.slice(job.past, job.past + count)));
    const routers: Parameters<typeof model.transformer.forwardCached>[4] = [];
    const hidden = model.transformer.forwardCached(tape, ids, spans, cache, routers);
    const { vocabSize: V, numExpertsPerTok: K } = model.config;
    const expertsOf = (job: Job, row: number) =>
      job.request.settings.experts ? expertsAt(routers, row, K) : undefined;
    let row = 0;
    const drawing: { job: Job; row: number }[] = [];
    for (const { job, count } of parts) {
      if (job.scoresPrompt) {
        this.eachLogits(tape, hidden, row, count, (i, logits) =>
          job.scored(job.past + i, logits, expertsOf(job, row + i)),
        );
      }
      row += count;
      job.past += count;
      job.region!.used = job.past;
      if (job.waiting === 0) drawing.push({ job, row: row - 1 });
    }
    if (drawing.length === 0) return;
    const logits = this.logitsOf(
      tape,
      hidden,
      drawing.map(({ row }) => row),
    );
    drawing.forEach(({ job, row }, i) => {
      try {
        job.start();
        const reason = job.draw(logits.subarray(i * V, (i + 1) * V), expertsOf(job, row));
        if (reason) this.finish(job, reason);
      } catch (error) {
        // What goes wrong with one answer is no matter of the others.
        this.drop(job);
        job.outlet.fail(error);
      }
    });
  }

  /** Forms the logits [V] of each of `count` rows, a few at a time: all together may take more memory than the pass. */
  private eachLogits(
    tape: Tape,
    hidden: Tensor,
    from: number,
    count: number,
    visit: (i: number, logits: F32) => void,
  ): void {
    const V = this.model.config.vocabSize;
    for (let at = 0; at < count; at += SCORED_ROWS) {
      const mark = tape.arena.mark();
      const rows = Array.from({ length: Math.min(SCORED_ROWS, count - at) }, (_, i) => from + at + i);
      const logits = this.logitsOf(tape, hidden, rows);
      rows.forEach((_, i) => {
        visit(at + i, logits.subarray(i * V, (i + 1) * V));
      });
      tape.arena.release(mark);
    }
  }

  /** Logits [rows, V] of rows of the hidden states. */
  private logitsOf(tape: Tape, hidden: Tensor, rows: readonly number[]): F32 {
    const D = hidden.shape[1];
    const chosen = tape.tensor(rows.length, D);
    rows.forEach((row, i) => {
      chosen.data.set(hidden.data.subarray(row * D, (row + 1) * D), i * D);
    });
    return this.model.transformer.logits(tape, chosen).data;
  }

  private finish(job: Job, reason: Parameters<Job["end"]>[0]): void {
    this.drop(job);
    job.end(reason);
    this.count(job);
  }

  private drop(job: Job): void {
    this.running = this.running.filter((other) => other !== job);
    this.keep(job);
  }

  private count(job: Job): void {
    const usage = job.usage();
    this.totals.completionTokens += usage.completionTokens;
    this.totals.draftedTokens += usage.draftedTokens;
    this.totals.acceptedTokens += usage.acceptedTokens;
    this.jobSeconds += 0.1 * (usage.prefillSeconds! + usage.decodeSeconds! - this.jobSeconds);
  }

  /** A job's rows stay for prompts that begin as it did. */
  private keep(job: Job): void {
    const { region } = job;
    if (!region) return;
    job.region = null;
    job.past = 0;
    if (region.used < LEAST_SHARED) {
      this.rows.release(region);
      return;
    }
    this.rows.shrink(region, region.used);
    this.kept.keep({ tokens: Int32Array.from(job.tokens.slice(0, region.used)), region });
  }
}

/** Parts a step's budget among prompts that are being read: the oldest gets at least half of it, the shortest rests go first with what remains. */
function share(reading: readonly Job[], budget: number): [Job, number][] {
  if (reading.length === 0) return [];
  const oldest = reading[0];
  const pieces = new Map<Job, number>([[oldest, Math.min(oldest.waiting, Math.ceil(budget / 2))]]);
  let rest = budget - pieces.get(oldest)!;
  const others = reading.slice(1).sort((a, b) => a.waiting - b.waiting);
  for (const job of others) {
    const count = Math.min(job.waiting, rest);
    if (count < Math.min(job.waiting, LEAST_PIECE)) break;
    pieces.set(job, count);
    rest -= count;
  }
  pieces.set(oldest, Math.min(oldest.waiting, pieces.get(oldest)! + rest));
  return [...pieces];
}

/** Copies rows within every layer of a cache; the runs may overlap. */
function moveRows(cache: LatentCache, from: number, to: number, count: number): void {
  for (const { data, scales } of cache.layers) {
    const width = data.length / cache.rows;
    data.copyWithin(to * width, from * width, (from + count) * width);
    scales?.copyWithin(to * 2, from * 2, (from + count) * 2);
  }
}
