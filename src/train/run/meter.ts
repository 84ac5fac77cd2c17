/** What a run has cost so far, and how long the rest will take. */
import type { Recipe } from "../recipe/schema.ts";
import type { RunState } from "./run-state.ts";

export interface RunProgress {
  tokens: number;
  totalTokens: number;
  /** NaN before the pace is known. */
  secondsLeft: number;
}

/** A moment, on the wall's clock and by the processor time used until then. */
export interface Moment {
  wall: number;
  cpu: NodeJS.CpuUsage;
}

export const moment = (): Moment => ({ wall: performance.now(), cpu: process.cpuUsage() });

/** The least weight that the pace of a step has in the mean over the last ones. */
const MIN_SHARE = 0.1;
/** Steps after which the pace is known. */
const MIN_STEPS = 3;

/** Counts tokens and time in the run's state, so that checkpoints keep them over all sessions. */
export class Meter {
  private readonly state: Pick<RunState, "tokens" | "seconds" | "coreSeconds">;
  private readonly usdPerCoreHour: number;
  private readonly totalTokens: number;
  private charged: Moment;
  private steps = 0;
  private secondsPerToken = 0;

  /** since: from when on time is the run's. */
  constructor(
    state: Pick<RunState, "tokens" | "seconds" | "coreSeconds">,
    { price, totalTokens, since }: { price: Recipe["price"]; totalTokens: number; since: Moment },
  ) {
    this.state = state;
    this.usdPerCoreHour = price.usdPerCoreHour;
    this.totalTokens = totalTokens;
    this.charged = since;
  }

  /** Adds the time since the last charge. */
  charge(): void {
    const { user, system } = process.cpuUsage(this.charged.cpu);
    const now = moment();
    this.state.seconds += (now.wall - this.charged.wall) / 1000;
    this.state.coreSeconds += (user + system) / 1e6;
    this.charged = now;
  }

  get bill(): { seconds: number; coreHours: number; usd: number } {
    const { seconds, coreSeconds } = this.state;
    const coreHours = coreSeconds / 3600;
    return { seconds, coreHours, usd: coreHours * this.usdPerCoreHour };
  }

  /** Notes the pace of a step. What is left is told by this session's last steps: the run may have begun on another machine. */
  pace(rows: number, seconds: number): void {
    this.steps++;
    // The first step makes memory that the others use again, and is soon forgotten.
    const share = Math.max(MIN_SHARE, 1 / Math.max(1, this.steps - 1));
    this.secondsPerToken += share * (seconds / rows - this.secondsPerToken);
  }

  get progress(): RunProgress {
    const { totalTokens } = this;
    const { tokens } = this.state;
    const known = this.steps >= MIN_STEPS;
    return { tokens, totalTokens, secondsLeft: known ? (totalTokens - tokens) * this.secondsPerToken : Number.NaN };
  }
}
