/** The thread of `watchRunAside`. */
import { parentPort, workerData } from "node:worker_threads";
import { watchRun } from "./watch.ts";
import type { WorkerReply } from "./watch-aside.ts";

const say = (reply: WorkerReply) => parentPort!.postMessage(reply);
try {
  say({ url: (await watchRun(workerData)).url });
} catch (error) {
  say({ error: (error as Error).message });
}
