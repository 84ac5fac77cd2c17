import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["src/**/*.test.ts", "test/**/*.test.ts"],
    // The native thread pool is per process, so test files run in processes of their own, two at a time.
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 60_000,
  },
});
