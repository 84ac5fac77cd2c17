/** Exercises in many words: conversations to learn from, and tests whose problems, names and wordings training never sees. */
export { EXERCISE_KINDS, type Exercise, type ExerciseKind, type Turn } from "./exercise.ts";
export { EXERCISES_VERSION, type ExerciseSplit, generateExercise, HELD_OUT, isHeldOut } from "./generate.ts";
