/** Which of a repository's files a model needs here: weights in safetensors or one GGUF, configuration, tokenizer and templates. */
import { bytesText, InputError } from "../../base/index.ts";
import type { RemoteModelFile } from "./repository.ts";

const NEEDED =
  /^(?:[^/]+\.(?:json|jinja|model|tiktoken|txt)|(?:README|LICENSE|NOTICE)[^/]*|[^/]+\.safetensors|additional_chat_templates\/[^/]+\.jinja|encoding\/[^/]+\.(?:json|py))$/i;
/** The same weights once more, in forms that are not read here. */
const OTHER_FORMS = /^(?:consolidated|original|onnx|openvino|coreml)|\.(?:bin|pt|pth|h5|msgpack|onnx)$/i;

export interface Choice {
  /** Patterns as `hf download --include` has them: * stands for anything. */
  include?: readonly string[];
  exclude?: readonly string[];
  /** Which GGUF file, by a part of its name: "Q4_K_M". */
  variant?: string | null;
}

/** @throws InputError that lists what there is, where a choice has to be made */
export function chooseModelFiles(where: string, files: readonly RemoteModelFile[], choice: Choice): RemoteModelFile[] {
  const excluded = (choice.exclude ?? []).map(toPattern);
  const left = files.filter(({ path }) => !excluded.some((pattern) => pattern.test(path)));
  if (choice.include?.length) {
    const included = choice.include.map(toPattern);
    const chosen = left.filter(({ path }) => included.some((pattern) => pattern.test(path)));
    if (chosen.length === 0)
      throw new InputError(`${where}: no file matches ${choice.include.join(" or ")}; it has ${some(files)}`);
    return chosen;
  }
  const plain = left.filter(({ path }) => NEEDED.test(path) && !OTHER_FORMS.test(path));
  const weights = plain.some(({ path }) => path.endsWith(".safetensors"));
  if (weights && choice.variant == null) return plain;
  const gguf = left.filter(({ path }) => path.toLowerCase().endsWith(".gguf"));
  if (gguf.length === 0) {
    if (choice.variant != null)
      throw new InputError(`${where}: has no GGUF files, so ":${choice.variant}" chooses nothing`);
    throw new InputError(`${where}: has no weights in safetensors or GGUF; it has ${some(files)}`);
  }
  return oneGguf(where, gguf, choice.variant ?? null);
}

/** A GGUF file with all its shards. */
function oneGguf(where: string, gguf: readonly RemoteModelFile[], variant: string | null): RemoteModelFile[] {
  const models = new Map<string, RemoteModelFile[]>();
  for (const file of gguf) {
    const name = file.path.replace(/-\d{5}-of-\d{5}\.gguf$/i, ".gguf");
    models.set(name, [...(models.get(name) ?? []), file]);
  }
  const wanted = variant?.toLowerCase();
  const isNamed = (name: string) =>
    wanted === undefined || name.toLowerCase().split(/[./-]/).includes(wanted) || name.toLowerCase() === wanted;
  const fitting = [...models].filter(([name]) => isNamed(name) && !/mmproj/i.test(name));
  if (fitting.length === 1) return fitting[0][1];
  const sizes = [...models].map(
    ([name, parts]) => `${name} (${bytesText(parts.reduce((sum, { size }) => sum + size, 0))})`,
  );
  const why =
    fitting.length === 0
      ? `has no GGUF file of ":${variant}"`
      : `has several GGUF files${wanted ? ` of ":${variant}"` : ""}`;
  throw new InputError(
    `${where}: ${why}; name one, for example ${where}:Q4_K_M, or use --include: ${sizes.slice(0, 20).join(", ")}`,
  );
}

/** Patterns like fnmatch's: * also crosses folders, ? is one letter. Linear in time: no pattern of a user backtracks. */
function toPattern(glob: string): { test: (path: string) => boolean } {
  const text = glob.endsWith("/") ? `${glob}*` : glob;
  return { test: (path) => matches(text, path) };
}

function matches(glob: string, path: string): boolean {
  let star = -1;
  let mark = 0;
  let g = 0;
  let p = 0;
  while (p < path.length) {
    if (g < glob.length && (glob[g] === "?" || glob[g] === path[p]) && glob[g] !== "*") {
      g++;
      p++;
    } else if (glob[g] === "*") {
      star = g++;
      mark = p;
    } else if (star >= 0) {
      g = star + 1;
      p = ++mark;
    } else return false;
  }
  while (glob[g] === "*") g++;
  return g === glob.length;
}

function some(files: readonly RemoteModelFile[]): string {
  const names = files.map(({ path }) => path);
  return names.length === 0
    ? "no files at all"
    : names.length > 8
      ? `${names.slice(0, 8).join(", ")} and ${names.length - 8} more`
      : names.join(", ");
}
