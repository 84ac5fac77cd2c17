import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["src/**/*.test.ts", "test/**/*.test.ts"],
    // The native thread pool is per process, so test files run in processes of their own, two at a time.
    pool: "forks",
    maxWorkers: 2,
    // Bounds for what hangs, far above what anything takes on a busy machine: nothing is a test of time.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    expect: { poll: { timeout: 30_000 } },
  },
});
