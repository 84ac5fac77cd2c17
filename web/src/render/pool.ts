/** The page's side of the rendering worker: one job at a time, the most urgent first, and none for longer than its patience. */
import { LIMITS } from "./limits.ts";
import type { Block, Kind } from "./markdown.ts";

export interface Job {
  id: number;
  text: string;
  final: boolean;
  kind: Kind;
}

/** id -1: the worker is ready. */
export interface Answer {
  id: number;
  blocks: Block[];
}

interface Waiting extends Job {
  urgent: boolean;
  resolve: (blocks: Block[]) => void;
}

let worker: Worker | null = null;
let ready = false;
let current: Waiting | null = null;
let timer = 0;
let nextId = 0;
const queue: Waiting[] = [];

function start(): Worker {
  ready = false;
  const started = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  started.addEventListener("message", ({ data }: MessageEvent<Answer>) => {
    if (data.id === -1) ready = true;
    else if (current?.id === data.id) finish(data.blocks);
    advance();
  });
  started.addEventListener("error", () => {
    worker = null;
    giveUp();
  });
  return started;
}

function finish(blocks: Block[]): void {
  clearTimeout(timer);
  current?.resolve(blocks);
  current = null;
}

/** The job is shown as plain text; a worker that is stuck in it is replaced. */
function giveUp(): void {
  worker?.terminate();
  worker = null;
  const job = current ?? queue.shift();
  current = job ?? null;
  if (job) finish([{ length: job.text.length, html: null }]);
  if (queue.length > 0) advance();
}

function advance(): void {
  worker ??= start();
  if (!ready || current || queue.length === 0) return;
  const urgent = queue.findIndex((job) => job.urgent);
  [current] = queue.splice(Math.max(0, urgent), 1);
  timer = window.setTimeout(giveUp, LIMITS.patience);
  const { id, text, final, kind } = current;
  worker.postMessage({ id, text, final, kind } satisfies Job);
}

/** @param urgent it is what is being written now, and goes before what was written long ago */
export function renderInWorker(job: Omit<Job, "id"> & { urgent: boolean }): Promise<Block[]> {
  return new Promise((resolve) => {
    queue.push({ ...job, id: nextId++, resolve });
    advance();
  });
}
