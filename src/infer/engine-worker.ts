/** The engine's thread: takes requests between passes, and gives what they made in messages. */
import { parentPort, workerData } from "node:worker_threads";
import type { ChatRequest, EngineEvent } from "./engine.ts";
import { type EngineOptions, LocalModels } from "./local-models.ts";
import { type LoadOptions, loadModel, type Model } from "./model.ts";
import { type FromEngine, type PlainError, plain, type ToEngine } from "./protocol.ts";

/**
 * Milliseconds between messages while passes go on. Each wakes another thread, which takes a processor away from the next pass: where a pass takes a
 * tenth of this, that is most of what a token costs.
 */
const MESSAGE_EVERY = 4;

/** Milliseconds for which passes follow each other before messages are looked for, which costs a tenth of a short pass. */
const TURN = 1;

const port = parentPort!;
let events: (FromEngine & { type: "events" })["events"] = [];
/** Whether somebody waits for the first token of an answer among them. */
let begins = false;
let running = false;
let flushed = 0;

function send(message: FromEngine): void {
  port.postMessage(message);
}

function flush(): void {
  if (events.length > 0) send({ type: "events", events });
  events = [];
  begins = false;
  flushed = performance.now();
}

/** Passes until nothing is left to do; between them messages come in. */
function run(models: LocalModels): void {
  const began = performance.now();
  let now = began;
  try {
    do {
      running = models.step();
      now = performance.now();
    } while (running && now - began < TURN && !begins);
  } catch (error) {
    // What the failed pass left behind cannot be trusted: everybody who waits is told, and the thread ends.
    process.nextTick(() => {
      throw error;
    });
    return;
  }
  if (!running || begins || now - flushed >= MESSAGE_EVERY) flush();
  if (running) setImmediate(run, models);
}

function receive(models: LocalModels, message: ToEngine): void {
  if (message.type === "ask") {
    // The passes that read its prompt may be long: nothing waits for them.
    flush();
    try {
      models.ask(message.id, message.kind, message.request);
      if (message.cancelled) models.cancel(message.id);
    } catch (error) {
      events.push([message.id, plain(error)]);
    }
  } else if (message.type === "cancel") models.cancel(message.id);
  else if (message.type === "count") {
    void counted(models, message.request).then((count) => send({ type: "count", id: message.id, count }));
    return;
  } else if (message.type === "stats") send({ type: "stats", id: message.id, stats: models.stats() });
  else {
    models.cancelAll();
    flush();
    port.close();
    void models.close();
    return;
  }
  work(models);
}

/** Goes on with passes, or begins them. */
function work(models: LocalModels): void {
  if (running) return;
  running = true;
  setImmediate(run, models);
}

async function counted(models: LocalModels, request: ChatRequest): Promise<number | PlainError> {
  try {
    return await models.count(request);
  } catch (error) {
    return plain(error);
  }
}

function load(dir: string, options: LoadOptions = {}): Model {
  return loadModel(dir, { ...options, onQuantising: (share) => send({ type: "quantising", share }) });
}

try {
  const onEvent = (id: number, event: EngineEvent | PlainError) => {
    events.push([id, event]);
    begins ||= "type" in event && event.type === "start";
  };
  const models = new LocalModels(workerData as EngineOptions, onEvent, load, () => work(models));
  port.on("message", (message: ToEngine) => receive(models, message));
  send({ type: "ready", models: models.models });
} catch (error) {
  send({ type: "failed", error: plain(error) });
  port.close();
}
