/** Which files a path names: itself, a folder's, or those that match a pattern; and which of a folder's are passed over. */
import { type Dirent, lstatSync, readdirSync, realpathSync, type Stats, statSync } from "node:fs";
import { basename, dirname, extname, join, resolve } from "node:path";
import { bytesText, InputError } from "../../base/index.ts";

const PACKED = /\.(gz|gzip|zst|zstd)$/i;
const LINES = /\.(jsonl|jsonlines|ndjson)$/i;
const READABLE = /\.(txt|md|jsonl|jsonlines|ndjson|json|parquet)(\.(gz|gzip|zst|zstd))?$/i;

export type Format = "jsonl" | "json" | "parquet" | "text";

/** What a file holds, by its name in any case; anything unknown is text. */
export function formatOf(path: string): Format {
  const plain = path.replace(PACKED, "");
  if (LINES.test(plain)) return "jsonl";
  if (/\.json$/i.test(plain)) return "json";
  return /\.parquet$/i.test(plain) ? "parquet" : "text";
}

export const isText = (path: string): boolean => formatOf(path) === "text";

/** How a file is compressed, by its name. */
export function packingOf(path: string): "gz" | "zst" | null {
  const ending = PACKED.exec(path)?.[1].toLowerCase();
  return ending === undefined ? null : ending.startsWith("g") ? "gz" : "zst";
}

export const isReadable = (name: string): boolean => READABLE.test(name);

const TABLE = "tables of it have no fields that Shoal knows: write one JSON object a line into a .jsonl, e.g. with";
const UNPACK = "unpack it first, or pack it with gzip or zstd";

/** What cannot be read, and what to do, by ending. */
const REFUSED: Record<string, string> = {
  ".csv": `${TABLE} python3 -c "import csv,json,sys; [print(json.dumps(r)) for r in csv.DictReader(sys.stdin)]" < FILE.csv > FILE.jsonl`,
  ".tsv": `${TABLE} python3 -c "import csv,json,sys; [print(json.dumps(r)) for r in csv.DictReader(sys.stdin, delimiter='\\t')]" < FILE.tsv > FILE.jsonl`,
  ".xlsx": "save it as .csv and turn that into .jsonl",
  ".xls": "save it as .csv and turn that into .jsonl",
  ".arrow": "save it as Parquet",
  ".feather": "save it as Parquet",
  ".avro": "save it as Parquet or .jsonl",
  ".pkl": "save it as Parquet or .jsonl",
  ".pdf": "turn it into text first, e.g. with pdftotext",
  ".docx": "save it as text",
  ".epub": "turn it into text first",
  ".bz2": UNPACK,
  ".xz": UNPACK,
  ".lz4": UNPACK,
  ".lzma": UNPACK,
  ".z": UNPACK,
  ".br": UNPACK,
  ".7z": UNPACK,
  ".rar": UNPACK,
  ".zip": "unpack it first, and name the folder",
  ".tar": "unpack it first, and name the folder",
  ".tgz": "unpack it first, and name the folder",
};

/** Why a file of this name cannot be read, or null. */
export function refusalOf(name: string): string | null {
  const plain = name.replace(PACKED, "");
  const ending = extname(plain).toLowerCase();
  return Object.hasOwn(REFUSED, ending) ? `${ending} cannot be read: ${REFUSED[ending]}` : null;
}

/** Files of one kind that were not read. */
export interface PassedOver {
  files: number;
  bytes: number;
}

export interface FoundFiles {
  files: string[];
  /** By kind: ".rst", "hidden", "links to nothing" … */
  passedOver: Record<string, PassedOver>;
}

/**
 * The files that a path names: itself, everything readable in a folder and below it, or what a pattern matches: * stands for any part of a
 * name, ** for any folders. In order of name. Of a folder, `include` names further files that are read as text: patterns of a name, or of a path
 * below it. Hidden files and folders are passed over; what links lead to is read once.
 * @throws InputError if there are none, or if it names something that cannot be read
 */
export function findFiles(path: string, include: readonly string[] = []): FoundFiles {
  const stats = statOf(path);
  if (stats === null) {
    if (path.includes("*")) return findPattern(path);
    throw new InputError(`${path}: ${isDangling(path) ? "is a link to nothing" : "there is no such file or folder"}`);
  }
  if (!stats.isDirectory()) {
    if (!stats.isFile()) throw new InputError(`${path}: is ${kindOf(stats)}, and no file; write it into a file first`);
    const refusal = refusalOf(path);
    if (refusal !== null) throw new InputError(`${path}: ${refusal}`);
    return { files: [path], passedOver: {} };
  }
  const patterns = include.map((pattern) => patternOf(pattern.includes("/") ? pattern : `**/${pattern}`));
  const found = walk(path, (name) => isReadable(name) || patterns.some((pattern) => pattern.test(name)), false);
  if (found.files.length > 0) return found;
  throw new InputError(
    `${path}: holds no .txt, .md, .jsonl, .json or .parquet file (plain, .gz or .zst)${explained(found.passedOver)}`,
  );
}

/** As `findFiles`, without what was passed over. */
export const expandPath = (path: string, include?: readonly string[]): string[] => findFiles(path, include).files;

/** "1,917 .rst (2.4 MB), 2 hidden" */
export function explainPassedOver(passedOver: FoundFiles["passedOver"]): string {
  const kinds = Object.entries(passedOver).sort(([, a], [, b]) => b.bytes - a.bytes || b.files - a.files);
  const shown = kinds.slice(0, MAX_KINDS).map(([kind, { files, bytes }]) => {
    const size = bytes > 0 ? ` (${bytesText(bytes)})` : "";
    return `${files.toLocaleString("en-US")} ${kind}${size}`;
  });
  const rest = kinds.slice(MAX_KINDS).reduce((sum, [, { files }]) => sum + files, 0);
  return [...shown, ...(rest > 0 ? [`${rest.toLocaleString("en-US")} others`] : [])].join(", ");
}

const MAX_KINDS = 8;

/** Files that are passed over and hold no text. */
const NO_TEXT =
  /^\.(png|jpe?g|gif|webp|avif|ico|bmp|tiff?|mp[34]|wav|flac|ogg|webm|mov|woff2?|ttf|otf|so|dll|exe|o|a|node|wasm|class|jar|pyc|db|sqlite|bin|safetensors|gguf|pt|npy|npz|DS_Store)$/i;

/** What to say of the first ending of what was passed over that may be read as text; "" where there is none. */
export function textEnding(passedOver: FoundFiles["passedOver"], say: (ending: string) => string): string {
  const ending = Object.keys(passedOver).find(
    (kind) => kind.startsWith(".") && !NO_TEXT.test(kind) && refusalOf(`x${kind}`) === null,
  );
  return ending === undefined ? "" : say(ending);
}

const explained = (passedOver: FoundFiles["passedOver"]): string =>
  Object.keys(passedOver).length === 0
    ? ""
    : `, but ${explainPassedOver(passedOver)}${textEnding(passedOver, (ending) => `; --include '*${ending}' (in a recipe "include": ["*${ending}"]) reads such files as text`)}`;

function findPattern(path: string): FoundFiles {
  const parts = path.split("/");
  const first = parts.findIndex((part) => part.includes("*"));
  // The folder above the first star; "" is the root where the path begins with "/".
  const dir = first === 0 ? "." : parts.slice(0, first).join("/") || "/";
  const rest = parts.slice(first);
  const pattern = patternOf(rest.join("/"));
  // A pattern that names an ending asks for files that have it.
  const named = /\.[\w.]+$/.test(rest[rest.length - 1]);
  const stats = statOf(dir);
  const hidden = rest.some((part) => part.startsWith("."));
  const deep = rest.length > 1 || rest[0] === "**";
  const found = stats?.isDirectory()
    ? walk(dir, (name) => pattern.test(name) && (named || isReadable(name)), hidden, deep)
    : { files: [], passedOver: {} };
  const matched = found.files;
  const refusal = matched.map(refusalOf).find((why) => why !== null);
  if (refusal) throw new InputError(`${path}: ${refusal}`);
  if (matched.length === 0) throw new InputError(`${path}: no file matches`);
  return { files: matched, passedOver: {} };
}

/** A pattern of a relative path. */
function patternOf(pattern: string): RegExp {
  const parts = pattern.split("/");
  const source = parts.map((part, i) => {
    const last = i === parts.length - 1;
    if (part === "**") return last ? ".*" : "(?:[^/]+/)*";
    const name = part
      .split(/\*+/)
      .map((piece) => piece.replace(/[\\^$.+?()[\]{}|]/g, "\\$&"))
      .join("[^/]*");
    return last ? name : `${name}/`;
  });
  return new RegExp(`^${source.join("")}$`);
}

/** Everything below a folder, each folder and file once whatever links there are. */
function walk(root: string, takes: (name: string) => boolean, hidden: boolean, deep = true): FoundFiles {
  const files: { name: string; path: string }[] = [];
  const passedOver: FoundFiles["passedOver"] = {};
  const pass = (kind: string, bytes = 0) => {
    passedOver[kind] ??= { files: 0, bytes: 0 };
    passedOver[kind].files++;
    passedOver[kind].bytes += bytes;
  };
  const seen = new Set<string>();
  const isNew = (path: string): boolean => {
    const real = realpathSync(path);
    return !seen.has(real) && Boolean(seen.add(real));
  };
  /** Links wait until everything that is there by itself was found. */
  const links: string[] = [];
  const folders = [""];
  const visit = (name: string, stats: Stats | Dirent): void => {
    const path = join(root, name);
    if (stats.isDirectory()) {
      if (deep) folders.push(name);
    } else if (!stats.isFile()) pass("pipes, sockets and devices");
    else if (!takes(name))
      pass(extname(name.replace(PACKED, "")).toLowerCase() || "without an ending", statOf(path)?.size);
    else if (refusalOf(name) !== null) throw new InputError(`${path}: ${refusalOf(name)}`);
    else if (!isNew(path)) pass("links to what is read anyway");
    else files.push({ name, path });
  };
  while (folders.length > 0 || links.length > 0) {
    const folder = folders.pop();
    if (folder === undefined) {
      const link = links.shift()!;
      const stats = statOf(join(root, link));
      if (stats === null) pass("links to nothing");
      else if (stats.isDirectory() && seen.has(realpathSync(join(root, link)))) pass("links to what is read anyway");
      else visit(link, stats);
      continue;
    }
    if (!isNew(join(root, folder))) continue;
    for (const entry of entriesOf(join(root, folder))) {
      const name = folder === "" ? entry.name : `${folder}/${entry.name}`;
      if ((entry.name.startsWith(".") || entry.name === "__MACOSX") && !hidden) pass("hidden");
      else if (entry.isSymbolicLink()) links.push(name);
      else visit(name, entry);
    }
  }
  files.sort((a, b) => (a.name < b.name ? -1 : 1));
  return { files: files.map(({ path }) => path), passedOver };
}

/**
 * Keeps what is written from overwriting what is read, or something else that is written.
 * @throws InputError naming the flag, if an output is one of the inputs or another output, by whatever link or spelling
 */
export function checkOutputs(outputs: Record<string, string | undefined>, inputs: readonly string[]): void {
  const written = Object.entries(outputs).flatMap(([flag, path]) => (path === undefined ? [] : [{ flag, path }]));
  for (const [i, { flag, path }] of written.entries()) {
    const input = inputs.find((input) => isSameFile(path, input));
    if (input !== undefined) throw new InputError(`${flag} ${path}: is read, too (${input}); name another file`);
    const other = written.slice(0, i).find((other) => isSameFile(path, other.path));
    if (other) throw new InputError(`${flag} ${path}: is ${other.flag}, too; name another file`);
  }
}

/** Whether two paths lead to one file, also where it is not there yet. */
function isSameFile(a: string, b: string): boolean {
  const [first, second] = [a, b].map((path) => statSync(path, { bigint: true, throwIfNoEntry: false }));
  if (first && second) return first.dev === second.dev && first.ino === second.ino;
  return !first && !second && realPathOf(a) === realPathOf(b);
}

/** The path without links, as far as it is there. */
function realPathOf(path: string): string {
  const whole = resolve(path);
  const parent = dirname(whole);
  if (parent === whole) return whole;
  const known = statSync(whole, { throwIfNoEntry: false })
    ? realpathSync(whole)
    : join(realPathOf(parent), basename(whole));
  // Where case does not tell files apart, it does not tell outputs apart.
  return process.platform === "linux" ? known : known.toLowerCase();
}

function entriesOf(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    throw new InputError(`${folder}: cannot be read: ${(error as Error).message.split("\n")[0]}`);
  }
}

/** Null where nothing is there. */
function statOf(path: string): Stats | null {
  try {
    return statSync(path);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR" || code === "ELOOP") return null;
    throw new InputError(`${path}: cannot be read: ${message.split("\n")[0]}`);
  }
}

const isDangling = (path: string): boolean => lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true;

const kindOf = (stats: Stats): string => (stats.isFIFO() ? "a named pipe" : stats.isSocket() ? "a socket" : "a device");
