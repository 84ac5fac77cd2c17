/** What the routes work with. */
import { type Engine, EngineError, type ModelInfo } from "../infer/index.ts";

export interface Deps {
  engine: Engine;
  /** The model's id, or the default's. */
  modelId(id: string | null | undefined): Promise<string>;
  /** @throws EngineError if there is no such model */
  model(id: string | null | undefined): Promise<ModelInfo>;
}

/** The default is the first model in the list, unless it is named. */
export function modelLookup(engine: Engine, defaultModel?: string): Pick<Deps, "model" | "modelId"> {
  const model = async (id: string | null | undefined): Promise<ModelInfo> => {
    const models = await engine.models();
    const wanted = id || defaultModel;
    const found = wanted ? models.find((one) => one.id === wanted) : models[0];
    if (found) return found;
    const reasons = (engine.upstreams?.() ?? []).flatMap(({ error }) => error ?? []);
    if (models.length === 0) {
      const why = reasons.join("; ") || "no upstream answers";
      throw new EngineError("unavailable", `no model can be asked now: ${why}`);
    }
    const names = models.slice(0, 10).map((one) => one.id);
    const missing = reasons.length > 0 ? ` (of others: ${reasons.join("; ")})` : "";
    const message = `there is no model '${wanted?.slice(0, 100)}'; there are: ${names.join(", ")}${missing}`;
    throw new EngineError("not_found", message, { param: "model" });
  };
  return { model, modelId: async (id) => (await model(id)).id };
}
