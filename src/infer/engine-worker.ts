/** The engine's thread: takes requests between passes, and gives what each pass made in one message. */
import { parentPort, workerData } from "node:worker_threads";
import { type EngineOptions, LocalModels } from "./local-models.ts";
import { type FromEngine, plain, type ToEngine } from "./protocol.ts";

const port = parentPort!;
let events: (FromEngine & { type: "events" })["events"] = [];
let running = false;

function send(message: FromEngine): void {
  port.postMessage(message);
}

function flush(): void {
  if (events.length > 0) send({ type: "events", events });
  events = [];
}

/** Passes until nothing is left to do; between them messages come in. */
function run(models: LocalModels): void {
  try {
    running = models.step();
  } catch (error) {
    // What the failed pass left behind cannot be trusted: everybody who waits is told, and the thread ends.
    process.nextTick(() => {
      throw error;
    });
    return;
  }
  flush();
  if (running) setImmediate(run, models);
}

function receive(models: LocalModels, message: ToEngine): void {
  if (message.type === "ask") {
    try {
      models.ask(message.id, message.kind, message.request);
      if (message.cancelled) models.cancel(message.id);
    } catch (error) {
      events.push([message.id, plain(error)]);
    }
  } else if (message.type === "cancel") models.cancel(message.id);
  else if (message.type === "stats") send({ type: "stats", id: message.id, stats: models.stats() });
  else {
    models.cancelAll();
    flush();
    port.close();
    return;
  }
  if (running) return;
  running = true;
  setImmediate(run, models);
}

try {
  const models = new LocalModels(workerData as EngineOptions, (id, event) => events.push([id, event]));
  port.on("message", (message: ToEngine) => receive(models, message));
  send({ type: "ready", models: models.models });
} catch (error) {
  send({ type: "failed", error: plain(error) });
  port.close();
}
