/**
 * What the same bits per byte cost Shoal and a peer:
 *   node bench/cost-to-loss/compare.ts PEER.jsonl RUN [RUN …] [--json]
 * PEER.jsonl is the ledger of gpt.py; each RUN a finished run's folder, one for each budget. A run counts with its last validation alone, when its
 * learning rate has come down; the peer likewise. The cheapest run that is at least as good as the peer gives the ratio.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";

interface Validation {
  kind: string;
  tokens: number;
  seconds: number;
  coreHours?: number;
  bitsPerByte: number;
}

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { json: { type: "boolean", default: false } },
});
const [peerPath, ...runs] = positionals;
if (!peerPath || runs.length === 0) throw new Error("usage: compare.ts PEER.jsonl RUN [RUN …]");

function read(path: string) {
  const records = readFileSync(path, "utf8")
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Validation);
  const validations = records.filter(({ kind }) => kind === "validation");
  const last = validations.at(-1);
  if (!last) throw new Error(`${path}: holds no validation`);
  // Shoal's validations do not repeat the core-hours: those of the step before count.
  const coreHours = last.coreHours ?? records.findLast((record) => record.coreHours !== undefined)!.coreHours!;
  return { minutes: last.seconds / 60, coreHours, tokens: last.tokens, bitsPerByte: last.bitsPerByte, validations };
}

const peer = read(peerPath);
const own = runs.map((run) => ({ run, ...read(join(run, "ledger.jsonl")) })).sort((a, b) => a.minutes - b.minutes);
const first = own.find(({ bitsPerByte }) => bitsPerByte <= peer.bitsPerByte);
const ratio = first ? { time: peer.minutes / first.minutes, coreHours: peer.coreHours / first.coreHours } : null;

if (values.json) console.log(JSON.stringify({ peer, own, ratio }));
else {
  const line = (name: string, { minutes, coreHours, tokens, bitsPerByte }: typeof peer) =>
    `${name}: ${bitsPerByte.toFixed(4)} bits per byte after ${minutes.toFixed(1)} minutes, ${coreHours.toFixed(3)} core-hours, ${(tokens / 1e6).toFixed(2)}M tokens`;
  console.log(line("peer", peer));
  for (const run of own) console.log(line(run.run, run));
  console.log(
    ratio
      ? `the peer's loss for a ${ratio.time.toFixed(1)}th of its time and a ${ratio.coreHours.toFixed(1)}th of its core-hours`
      : "no run came down to the peer's loss",
  );
}
