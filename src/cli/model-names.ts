/** Under which name a model's folder is served: one that was given, or what tells the folder from others. */
import { existsSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { InputError } from "../base/index.ts";

export interface NamedModel {
  id: string;
  dir: string;
}

/** A folder's own name; of the model/ of a training run, the run's; of a GGUF file, its name without what says that it is one, or a shard. */
export function nameOfFolder(dir: string): string {
  const path = resolve(dir);
  const run = dirname(path);
  return basename(path) === "model" && existsSync(join(run, "ledger.jsonl"))
    ? basename(run)
    : basename(path).replace(/(-\d{5}-of-\d{5})?\.gguf$/i, "");
}

/** "DIR" or "NAME=DIR". A folder that has such a name itself is meant first. @throws InputError for a name that no request could say */
export function namedModel(text: string): NamedModel {
  const [, id, dir] = /^([^=/\\]+)=(.+)$/s.exec(text) ?? [];
  if (id === undefined || existsSync(text)) return { id: nameOfFolder(text), dir: text };
  if (!/^[\w.:@+-]{1,100}$/.test(id))
    throw new InputError(`--model ${text}: ${JSON.stringify(id)} is no name; use letters, digits and . _ : @ + -`);
  return { id, dir };
}

/** @throws InputError where two have one name */
export function namedModels(texts: readonly string[]): NamedModel[] {
  const models = texts.map(namedModel);
  for (const [i, { id, dir }] of models.entries()) {
    const before = models.slice(0, i).find((other) => other.id === id);
    if (before)
      throw new InputError(
        `--model ${dir}: is named ${JSON.stringify(id)}, as ${before.dir} is; give it another name, as in --model ${id}-2=${dir}`,
      );
  }
  return models;
}
