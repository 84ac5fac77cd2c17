/** GET /v1/models and /v1/models/:id */
import { z } from "@hono/zod-openapi";
import type { ModelInfo } from "../../infer/index.ts";
import type { Deps } from "../deps.ts";
import { type App, addRoute } from "../http/http.ts";

const modelSchema = z
  .object({
    id: z.string(),
    object: z.literal("model"),
    created: z.int(),
    owned_by: z.string(),
    max_model_len: z.int().nullable().describe("Tokens of prompt and answer together, where known"),
  })
  .openapi("Model");

const asModel = ({ id, created, owner, context }: ModelInfo): z.output<typeof modelSchema> => ({
  id,
  object: "model",
  created,
  owned_by: owner,
  max_model_len: context,
});

export function addModels(app: App, deps: Deps): void {
  const list = z.object({ object: z.literal("list"), data: z.array(modelSchema) }).openapi("ModelList");
  addRoute(
    app,
    { method: "get", path: "/v1/models", summary: "Models that can be asked", tag: "OpenAI", answer: list },
    async (c) => c.json({ object: "list", data: (await deps.engine.models()).map(asModel) }),
  );
  // Ids of upstreams' models may hold slashes, sent as they are.
  addRoute(
    app,
    { method: "get", path: "/v1/models/:id{.+}", summary: "One model", tag: "OpenAI", answer: modelSchema },
    async (c) => c.json(asModel(await deps.model(c.req.param("id")))),
  );
}
