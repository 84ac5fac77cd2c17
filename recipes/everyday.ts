/**
 * Writes recipes/data/everyday.jsonl.zst from what was written by hand in recipes/everyday/: questions about everyday things, each asked in
 * several ways, and their answers; every prompt as a conversation of its own, and some of them one after the other, as people ask.
 *   node recipes/everyday.ts
 * The same file each time. Prompts of bench/open-prompts.ts are left out, so that what is measured there was never seen.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { zstdCompressSync } from "node:zlib";
import { BLIND_PROMPTS, OPEN_PROMPTS } from "../bench/open-prompts.ts";
import { Random } from "../src/base/index.ts";

/** Conversations of two to four turns. */
const LONGER = 1_500;

interface Topic {
  prompts: string[];
  reply: string;
}
interface Message {
  role: "user" | "assistant";
  content: string;
}

const plain = (text: string) =>
  text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, " ")
    .trim();
const measured = new Set([...OPEN_PROMPTS, ...BLIND_PROMPTS].map(plain));

/** An empty line between all lines but those of code. */
const paragraphsOf = (reply: string) =>
  reply
    .split(/(```[\s\S]*?```)/)
    .map((part, i) => (i % 2 ? part : part.replaceAll("\n", "\n\n")))
    .join("");

/** Blocks with an empty line between them: lines with "? " are ways to ask, each other line is a paragraph of the reply. */
function topicsOf(text: string): Topic[] {
  return text
    .trim()
    .split(/\n\s*\n/)
    .map((block) => block.split("\n").map((line) => line.trim()))
    .map((lines) => ({
      prompts: lines.filter((line) => line.startsWith("? ")).map((line) => line.slice(2)),
      reply: paragraphsOf(lines.filter((line) => !line.startsWith("? ")).join("\n")),
    }));
}

const folder = new URL("everyday/", import.meta.url);
let left = 0;
const topics = readdirSync(folder)
  .sort()
  .flatMap((name) => topicsOf(readFileSync(new URL(name, folder), "utf8")))
  .map(({ prompts, reply }) => {
    const kept = prompts.filter((prompt) => !measured.has(plain(prompt)));
    left += prompts.length - kept.length;
    return { prompts: kept, reply };
  })
  .filter(({ prompts, reply }) => prompts.length > 0 && reply !== "");

const turn = (prompt: string, reply: string): Message[] => [
  { role: "user", content: prompt },
  { role: "assistant", content: reply },
];
const rows = topics.flatMap(({ prompts, reply }) => prompts.map((prompt) => turn(prompt, reply)));
const random = new Random(1);
const pick = <T>(from: readonly T[]): T => from[random.below(from.length)];
for (let i = 0; i < LONGER; i++)
  rows.push(
    Array.from({ length: 2 + random.below(3) }, () => pick(topics)).flatMap(({ prompts, reply }) =>
      turn(pick(prompts), reply),
    ),
  );

const path = new URL("data/everyday.jsonl.zst", import.meta.url);
writeFileSync(path, zstdCompressSync(`${rows.map((messages) => JSON.stringify({ messages })).join("\n")}\n`));
console.log(`${topics.length} topics, ${rows.length} conversations; ${left} prompts left out`);
