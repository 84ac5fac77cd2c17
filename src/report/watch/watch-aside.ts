/** The live page in a thread of its own: training computes for seconds without a break, and a page must answer at once. */
import { Worker } from "node:worker_threads";
import { InputError } from "../../base/index.ts";
import type { Watch, WatchOptions } from "./watch.ts";

/** What the thread says when it has begun. */
export type WorkerReply = { url: string } | { error: string };

/** As `watchRun`, from a thread that does not keep the process alive. @throws InputError where the port cannot be had */
export async function watchRunAside(options: WatchOptions): Promise<Watch> {
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const worker = new Worker(new URL(`./watch-worker.${extension}`, import.meta.url), { workerData: options });
  const reply = await new Promise<WorkerReply>((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
  });
  worker.unref();
  if ("error" in reply) {
    await worker.terminate();
    throw new InputError(reply.error);
  }
  return {
    url: reply.url,
    async close() {
      await worker.terminate();
    },
  };
}
