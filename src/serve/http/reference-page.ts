/** GET /docs: the API reference as one page, made from the same schemas that check the requests. No script, nothing from elsewhere. */
import { html } from "hono/html";

interface Schema {
  $ref?: string;
  type?: string | string[];
  description?: string;
  enum?: unknown[];
  const?: unknown;
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  anyOf?: Schema[];
  oneOf?: Schema[];
  additionalProperties?: Schema | boolean;
  minimum?: number;
  maximum?: number;
}

interface Operation {
  summary?: string;
  tags?: string[];
  parameters?: { name: string; in: string; schema: Schema }[];
  requestBody?: { content: Record<string, { schema: Schema }> };
  responses: Record<string, { description: string; content?: Record<string, { schema: Schema }> }>;
}

export interface OpenApi {
  info: { title: string; version: string };
  paths?: Record<string, Record<string, Operation>>;
  components?: { schemas?: Record<string, Schema> };
}

export function referencePage(api: OpenApi) {
  const operations = Object.entries(api.paths ?? {}).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );
  const tags = [...new Set(operations.map(({ operation }) => operation.tags?.[0] ?? ""))];
  return html`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="/favicon.svg">
<title>${api.info.title}</title>
<link rel="stylesheet" href="/docs.css">
<main>
<h1>${api.info.title} ${api.info.version}</h1>
<p>Written from the schemas that check every request; for programs: <a href="/openapi.json">openapi.json</a>.</p>
${tags.map(
  (tag) => html`<section><h2>${tag}</h2>
${operations
  .filter(({ operation }) => (operation.tags?.[0] ?? "") === tag)
  .map(({ path, method, operation }) => entry(method, path, operation))}
</section>`,
)}
<section><h2>Schemas</h2>
${Object.entries(api.components?.schemas ?? {}).map(
  ([name, schema]) => html`<details id="${name}"><summary><code>${name}</code></summary>${fields(schema)}</details>`,
)}
</section>
</main>
</html>`;
}

function entry(method: string, path: string, operation: Operation) {
  const body = operation.requestBody?.content["application/json"]?.schema;
  return html`<details><summary><b>${method.toUpperCase()}</b> <code>${path}</code> ${operation.summary ?? ""}</summary>
${operation.parameters?.length ? html`<h3>Parameters</h3><table>${operation.parameters.map(({ name, schema }) => row(name, schema, false))}</table>` : ""}
${body ? html`<h3>Body</h3>${fields(body)}` : ""}
<h3>Answers</h3><ul>${Object.entries(operation.responses).map(
    ([status, { description, content }]) =>
      html`<li><b>${status}</b> ${description}${Object.entries(content ?? {}).map(
        ([type, { schema }]) => html` · ${type}: ${typeOf(schema)}`,
      )}</li>`,
  )}</ul></details>`;
}

function fields(schema: Schema): ReturnType<typeof html> {
  if (!schema.properties) return html`<p>${typeOf(schema)}</p>`;
  const required = new Set(schema.required);
  return html`<table>${Object.entries(schema.properties).map(([name, inner]) => row(name, inner, required.has(name)))}</table>`;
}

function row(name: string, schema: Schema, required: boolean) {
  return html`<tr><td><code>${name}</code>${required ? html` <b>*</b>` : ""}</td><td>${typeOf(schema)}</td><td>${schema.description ?? ""}</td></tr>`;
}

/** A type in a few words: names of schemas are links. */
function typeOf(schema: Schema): ReturnType<typeof html> {
  if (schema.$ref) {
    const name = schema.$ref.split("/").at(-1)!;
    return html`<a href="#${name}">${name}</a>`;
  }
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) return html`${choices.map((one, i) => html`${i > 0 ? " | " : ""}${typeOf(one)}`)}`;
  if (schema.const !== undefined) return html`${JSON.stringify(schema.const)}`;
  if (schema.enum) return html`${schema.enum.map((value) => JSON.stringify(value)).join(" | ")}`;
  if (schema.type === "array") return html`array of ${typeOf(schema.items ?? {})}`;
  if (schema.type === "object" && schema.properties) return html`{ ${Object.keys(schema.properties).join(", ")} }`;
  const type = [schema.type ?? "anything"].flat().join(" | ");
  const { minimum, maximum } = schema;
  return html`${type}${minimum === undefined ? "" : ` ≥ ${minimum}`}${maximum === undefined ? "" : ` ≤ ${maximum}`}`;
}

export const REFERENCE_CSS = `:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { margin: 0; }
main { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
details { border: 1px solid color-mix(in srgb, currentColor 25%, transparent); border-radius: 0.5rem; padding: 0.5rem 0.75rem; margin: 0.5rem 0; }
summary { cursor: pointer; }
table { border-collapse: collapse; width: 100%; font-size: 0.9rem; }
td { padding: 0.25rem 0.75rem 0.25rem 0; vertical-align: top; border-top: 1px solid color-mix(in srgb, currentColor 12%, transparent); }
`;
