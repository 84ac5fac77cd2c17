/** How a stage goes, in a few numbers that a checkpoint keeps, and what people should be told of it when it is over. */
import type { Stage } from "../recipe/schema.ts";
import type { Best, StageCourse } from "./run-state.ts";

/** Steps over about which losses are smoothed; half of them is the least that anything is said of. */
const WINDOW = 16;
/** The loss has risen when it ends so far above its lowest. */
const RISEN = { share: 1.1, nats: 0.02 };
/** The loss has been astray where it was so many times what the stage began with. */
const ASTRAY = 1.25;
/** A gradient so many times the norm that it is clipped to is no longer one that leads anywhere. */
const WILD_NORM = 1000;
/** Held-out figures that are closer together than this share are the same. */
export const SAME = 0.002;
/** A held-out figure that has risen by this share tells of learning by heart. */
const BY_HEART = 0.02;

export interface StepFigures {
  step: number;
  loss: number;
  gradNorm: number;
  /** The weights were left as they were, because something was not finite, or because there was nothing to learn. */
  left: "not finite" | "nothing to learn" | null;
}

/** The course after one more step. */
export function courseAfter(before: StageCourse | undefined, { step, loss, gradNorm, left }: StepFigures): StageCourse {
  const course = before ?? {
    first: 0,
    steps: 0,
    loss: 0,
    gradNorm: 0,
    lowest: 1e9,
    lowestStep: step,
    highest: 0,
    skipped: 0,
    idle: 0,
  };
  if (left === "not finite") return { ...course, skipped: course.skipped + 1 };
  if (left) return { ...course, idle: course.idle + 1 };
  const steps = course.steps + 1;
  const share = 1 / Math.min(steps, WINDOW);
  const smooth = course.loss + share * (loss - course.loss);
  const lower = steps >= WINDOW / 2 && smooth < course.lowest;
  return {
    ...course,
    first: steps === 1 ? loss : course.first,
    steps,
    loss: smooth,
    gradNorm: course.gradNorm + share * (gradNorm - course.gradNorm),
    highest: Math.max(course.highest, smooth),
    ...(lower && { lowest: smooth, lowestStep: step }),
  };
}

/** What is wrong with how a stage went, a line each; empty where all is well. last: its last held-out figure, of what `best` measures. */
export function remarksOnCourse(
  course: StageCourse | undefined,
  { name }: Pick<Stage, "name">,
  { clip, best, last }: { clip: number; best: Best | undefined; last: number | null },
): string[] {
  const remarks: string[] = [];
  if (!course) return remarks;
  const { first, steps, loss, lowest, lowestStep, highest, gradNorm, skipped, idle } = course;
  const lower = `lower the rate (lr of stage ${name})`;
  if (steps >= WINDOW && loss >= first)
    remarks.push(`learnt nothing: the loss began at ${first.toFixed(3)} and ended at ${loss.toFixed(3)}; ${lower}`);
  else if (steps >= WINDOW && loss > RISEN.share * lowest + RISEN.nats)
    remarks.push(
      `went astray: the loss was ${lowest.toFixed(3)} at step ${lowestStep} and ended at ${loss.toFixed(3)}; ${lower}`,
    );
  else if (highest > ASTRAY * first)
    remarks.push(
      `went astray: the loss began at ${first.toFixed(3)}, rose to ${highest.toFixed(3)} and ended at ${loss.toFixed(3)}; ${lower}`,
    );
  else if (gradNorm > WILD_NORM * clip)
    remarks.push(
      `went astray: the gradient's norm ended at ${Math.round(gradNorm)}, and is clipped to ${clip}; ${lower}`,
    );
  if (best && last !== null && last > (1 + BY_HEART) * best.value)
    remarks.push(
      `learnt by heart: ${best.measure} was ${best.value.toFixed(4)} at step ${best.step} and ended at ${last.toFixed(4)}; train on fewer tokens, at a lower rate, or bring more data`,
    );
  if (skipped > 0) remarks.push(`${skipped} steps were not finite and changed nothing`);
  if (idle > 0) remarks.push(`${idle} steps had nothing to learn and changed nothing`);
  return remarks.map((remark) => `stage ${name} ${remark}`);
}
