/** Several engines as one: one list of models, each asked where it lives. */
import { type Engine, EngineError, type EngineEvent, type EngineStats, type ModelInfo } from "../infer/index.ts";

export interface NamedEngine {
  /** Stands before a model's id, with a slash, where two engines have one of the same id. */
  name: string;
  engine: Engine;
}

interface Place {
  engine: Engine;
  /** The id as the engine itself knows it. */
  id: string;
  info: ModelInfo;
}

/** Milliseconds that an engine has to say what it has; those that take longer are left out until they have. */
const PATIENCE_MS = 2000;

/** Earlier engines keep the plain ids. An engine that cannot say what it has is left out until it can. */
export function joinEngines(engines: readonly NamedEngine[]): Engine {
  const places = async (): Promise<Map<string, Place>> => {
    const lists = await Promise.all(engines.map(({ engine }) => listOf(engine)));
    const found = new Map<string, Place>();
    lists.forEach((models, i) => {
      const { name, engine } = engines[i];
      for (const info of models) {
        const id = found.has(info.id) ? `${name}/${info.id}` : info.id;
        if (!found.has(id)) found.set(id, { engine, id: info.id, info: { ...info, id } });
      }
    });
    return found;
  };

  const placeOf = async (model: string): Promise<Place> => {
    const place = (await places()).get(model);
    if (!place) throw new EngineError("not_found", `there is no model '${model.slice(0, 100)}'`, { param: "model" });
    return place;
  };

  async function* asked<Request extends { model: string }>(
    request: Request,
    ask: (engine: Engine, request: Request) => AsyncIterable<EngineEvent>,
  ): AsyncGenerator<EngineEvent> {
    const { engine, id } = await placeOf(request.model);
    yield* ask(engine, { ...request, model: id });
  }

  return {
    upstreams: () => engines.flatMap(({ engine }) => engine.upstreams?.() ?? []),
    models: async () => [...(await places()).values()].map(({ info }) => info),
    chat: (request, signal) => asked(request, (engine, inner) => engine.chat(inner, signal)),
    complete: (request, signal) => asked(request, (engine, inner) => engine.complete(inner, signal)),
    async stats() {
      const all: [string, EngineStats][] = [];
      const stats = new Map<Engine, Record<string, EngineStats>>();
      for (const { engine } of engines) stats.set(engine, await engine.stats().catch(() => ({})));
      for (const [shown, { engine, id }] of await places()) {
        const own = stats.get(engine)!;
        if (Object.hasOwn(own, id)) all.push([shown, own[id]]);
      }
      // Ids are an upstream's words: one of them may be __proto__.
      return Object.fromEntries(all);
    },
    async countTokens(request) {
      const { engine, id } = await placeOf(request.model);
      return (await engine.countTokens?.({ ...request, model: id })) ?? null;
    },
    async close() {
      await Promise.allSettled(engines.map(({ engine }) => engine.close()));
    },
  };
}

async function listOf(engine: Engine): Promise<ModelInfo[]> {
  const late = Promise.withResolvers<ModelInfo[]>();
  const timer = setTimeout(late.resolve, PATIENCE_MS, []);
  try {
    return await Promise.race([engine.models(), late.promise]);
  } catch {
    return [];
  } finally {
    clearTimeout(timer);
  }
}
