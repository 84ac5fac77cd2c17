/** A branch of a conversation as a prompt: attachments in fences, the system prompt first, the oldest turns left out where the context ends. */
import type { EngineMessage, ModelInfo } from "../../infer/index.ts";
import type { Attachment, ChatSettings, Message } from "../wire.ts";

/** Bytes of text that make a token, until a reply has told the true number. */
const BYTES_PER_TOKEN = 3;
/** Share of the context that is kept free for the answer. */
const ANSWER_SHARE = 0.25;

/** A message and how much of the context it takes, by its bytes. */
interface Turn {
  message: EngineMessage;
  bytes: number;
}

export class History {
  private readonly system: EngineMessage[];
  private readonly turns: Turn[];
  readonly bytesPerToken: number;

  /** branch: from the first message to the one that is answered (a user's) or continued (the assistant's). */
  constructor(branch: readonly Message[], settings: ChatSettings, model: string) {
    this.system = settings.system ? [{ role: "system", content: settings.system }] : [];
    const last = branch.length - 1;
    this.turns = branch
      .map((stored, i) => {
        // What was thought for earlier answers is not read again; an answer that goes on goes on from its thoughts.
        const reasoning = i === last && stored.reasoning ? { reasoning: stored.reasoning } : {};
        return { ...asMessage(stored), ...reasoning };
      })
      .filter((message, i) => message.content !== "" || i === last)
      .map((message) => ({ message, bytes: Buffer.byteLength(message.content) }));
    this.bytesPerToken = measured(branch, model) ?? BYTES_PER_TOKEN;
  }

  /** The prompt without its oldest turns. */
  messages(leftOut: number): EngineMessage[] {
    return [...this.system, ...this.turns.slice(leftOut).map(({ message }) => message)];
  }

  bytes(leftOut: number): number {
    const turns = this.turns.slice(leftOut).reduce((sum, { bytes }) => sum + bytes, 0);
    return turns + this.system.reduce((sum, { content }) => sum + Buffer.byteLength(content), 0);
  }

  /** Tokens that are kept free for the answer. */
  answerRoom(context: number, maxTokens: number | undefined): number {
    return Math.min(maxTokens ?? Infinity, Math.floor(context * ANSWER_SHARE));
  }

  /** How many of the oldest messages to leave out at first, as far as their size can be estimated. */
  estimate({ context }: ModelInfo, maxTokens: number | undefined): number {
    if (context === null) return 0;
    const room = (context - this.answerRoom(context, maxTokens)) * this.bytesPerToken;
    let bytes = this.bytes(this.turns.length);
    let kept = this.turns.length;
    while (kept > 0 && bytes + this.turns[kept - 1].bytes <= room) bytes += this.turns[--kept].bytes;
    return this.align(kept);
  }

  /** How many to leave out after so many were too few, or null if nothing more can be. */
  more(leftOut: number): number | null {
    const next = this.align(leftOut + Math.max(1, Math.floor((this.turns.length - leftOut) / 4)));
    return next > leftOut ? next : null;
  }

  /** What is kept begins with a user's message, and ends with the last one whatever its size. */
  private align(leftOut: number): number {
    const last = this.turns.findLastIndex(({ message }) => message.role === "user");
    let at = Math.min(leftOut, Math.max(0, last));
    while (at > 0 && at < last && this.turns[at].message.role !== "user") at++;
    return at;
  }
}

/**
 * The branch as a model of a comparison saw it: at each earlier question its own answer, where it gave one.
 * @param all every message of the conversation
 */
export function ownBranch(
  branch: readonly Message[],
  all: readonly Message[],
  { id, model, slot }: Message,
): Message[] {
  if (!slot) return [...branch];
  const answers = Map.groupBy(
    all.filter((one) => one.role === "assistant" && one.model === model && one.content !== ""),
    ({ parentId }) => parentId,
  );
  return branch.map((one) => {
    const own = one.role === "assistant" && one.id !== id ? answers.get(one.parentId) : undefined;
    if (!own || (one.model === model && one.slot === slot)) return one;
    return own.findLast((other) => other.slot === slot) ?? own.at(-1)!;
  });
}

/** Bytes of a token as the latest reply of this model in the branch tells, if it saw all that came before it. */
function measured(branch: readonly Message[], model: string): number | null {
  const at = branch.findLastIndex((one) => one.model === model && one.usage && !one.leftOut);
  const usage = branch[at]?.usage;
  if (!usage) return null;
  const bytes = branch.slice(0, at + 1).reduce((sum, one) => sum + Buffer.byteLength(asMessage(one).content), 0);
  const tokens = usage.promptTokens + usage.completionTokens - usage.reasoningTokens;
  return tokens > 0 && bytes > 0 ? bytes / tokens : null;
}

function asMessage({ role, content, attachments }: Message): EngineMessage {
  return { role, content: [...attachments.map(fenced), content].filter((part) => part !== "").join("\n\n") };
}

/** An attachment as Markdown: its name, and its text between fences that it does not hold itself. */
export function fenced({ name, text }: Attachment): string {
  let longest = 2;
  for (const [run] of text.matchAll(/`+/g)) longest = Math.max(longest, run.length);
  const fence = "`".repeat(longest + 1);
  const extension = /\.(\w{1,12})$/.exec(name)?.[1] ?? "";
  return `${name}:\n${fence}${extension}\n${text}${text.endsWith("\n") ? "" : "\n"}${fence}`;
}

const MAX_TITLE = 60;
/** Characters of a message that a title is looked for in. */
const TITLE_FROM = 4000;

/** A title from a first message: its first words without marks, cut between words. */
export function titleOf(content: string, attachments: readonly Attachment[]): string {
  const prose = content
    .replaceAll(/```[\s\S]*?(```|$)/g, " ")
    .trimStart()
    .slice(0, TITLE_FROM)
    .toWellFormed();
  const parts = prose.split(/(?<=[.!?。！？])\s|\n\s*\n/);
  const line = (parts.find((part) => part.trim() !== "") ?? "")
    .trim()
    .replaceAll(/^[#>-]+\s|[*`~]+/g, "")
    // Underscores that begin or end a word are marks; those inside a name are not.
    .replaceAll(/_+/g, (run, at, all) =>
      /\w/.test(all[at - 1] ?? "") && /\w/.test(all[at + run.length] ?? "") ? run : "",
    )
    .replaceAll(/[\s\p{Cc}\p{Cf}]+/gu, " ")
    .trim();
  const text = line || attachments[0]?.name || "";
  const characters = [...text];
  if (characters.length <= MAX_TITLE) return text.replace(/[.,:;。，：；]$/, "");
  const cut = characters.slice(0, MAX_TITLE).join("");
  // Chinese has no spaces to cut at.
  const space = cut.lastIndexOf(" ");
  return `${(space > MAX_TITLE / 2 ? cut.slice(0, space) : cut).replace(/[\s.,:;。，：；]+$/, "")}…`;
}
