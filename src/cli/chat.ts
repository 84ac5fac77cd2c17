/** shoal chat: a conversation in the terminal. */
import { writeFileSync } from "node:fs";
import { createInterface, type Interface } from "node:readline";
import { Command } from "commander";
import { unwritable } from "../base/index.ts";
import { Chat, type GenerateOptions, type Generation, type Model, SAMPLING_BOUNDS } from "../infer/index.ts";
import { MINNOW } from "./common.ts";
import {
  addModelOptions,
  addSamplingOptions,
  type ModelOptions,
  openModel,
  type SamplingFlags,
  samplingParams,
} from "./model-options.ts";

interface Flags extends ModelOptions, SamplingFlags {
  system?: string;
}

const HELP = `/reset            begin a new conversation
/system TEXT      begin a new one with a system prompt
/temperature T    0 is greedy, 1 the model's own distribution
/seed N           make replies repeatable (/seed alone: random again)
/save FILE        write the conversation as JSON
/quit             leave (so does Ctrl-D)
Ctrl-C stops a reply; again, at the prompt, it leaves.`;

export const chatCommand = addSamplingOptions(addModelOptions(new Command("chat")))
  .option("--system <text>", "a system prompt")
  .addHelpText(
    "after",
    `\nIn the chat:\n${HELP}\n\nPiped input is read line by line, each a turn, and only the replies are printed:\n  echo "Tell me a story." | shoal chat --seed 1`,
  )
  .action(async (flags: Flags) => {
    const model = openModel(flags);
    const session = new Session(model, flags);
    if (process.stdin.isTTY) await converse(session, flags.model === MINNOW);
    else await answerLines(session);
  });

/** The conversation and its dials. */
class Session {
  chat: Chat;
  readonly model: Model;
  readonly options: GenerateOptions;
  private turns = 0;

  constructor(model: Model, flags: Flags) {
    this.model = model;
    const { maxTokens = 512 } = flags;
    this.options = { ...samplingParams(flags), maxTokens };
    this.chat = new Chat(model, flags.system);
  }

  reset(system?: string): void {
    this.chat = new Chat(this.model, system);
    this.turns = 0;
  }

  /** Streams the reply to a line onto stdout. */
  async reply(line: string, signal?: AbortSignal): Promise<Generation> {
    // With a seed each turn has its own, so that a repeated question may be answered otherwise.
    const seed = this.options.seed === undefined ? undefined : this.options.seed + this.turns;
    this.turns++;
    const tokens = this.chat.send(line, { ...this.options, seed, signal });
    for (;;) {
      const next = await tokens.next();
      if (next.done) return next.value;
      process.stdout.write(next.value.text);
    }
  }
}

async function answerLines(session: Session): Promise<void> {
  for await (const line of createInterface({ input: process.stdin })) {
    if (line.trim() === "") continue;
    await session.reply(line);
    process.stdout.write("\n");
  }
}

async function converse(session: Session, minnow: boolean): Promise<void> {
  const dim = (text: string) => (process.stdout.hasColors?.() ? `\x1b[2m${text}\x1b[0m` : text);
  if (minnow) {
    console.log("This is Minnow, a very small DeepSeek-V3 that Shoal trained from scratch on two CPU cores.");
    console.log(
      "It writes simple English and answers short questions; its facts are often wrong, and it knows nothing recent.",
    );
  }
  console.log(dim("/help lists what you can do; Ctrl-D leaves."));
  const terminal = createInterface({ input: process.stdin, output: process.stdout, prompt: "\n> ", historySize: 1000 });
  let reply: AbortController | null = null;
  terminal.on("SIGINT", () => (reply ? reply.abort() : terminal.close()));
  terminal.prompt();
  for await (const line of terminal) {
    if (line.startsWith("/")) {
      if (!command(session, line, terminal)) break;
    } else if (line.trim() !== "") {
      reply = new AbortController();
      const { usage, finishReason } = await session.reply(line, reply.signal);
      const { completionTokens, draftedTokens, acceptedTokens, decodeSeconds } = usage;
      reply = null;
      const drafts = draftedTokens > 0 ? ` · ${acceptedTokens} of ${draftedTokens} guesses right` : "";
      const note = finishReason === "abort" ? " · stopped" : finishReason === "length" ? " · cut at the limit" : "";
      console.log(
        dim(
          `\n${completionTokens} tokens · ${(completionTokens / decodeSeconds!).toFixed(0)} a second${drafts}${note}`,
        ),
      );
    }
    terminal.prompt();
  }
  terminal.close();
}

/** Runs a /command; false: leave. */
function command(session: Session, line: string, terminal: Interface): boolean {
  const [name, ...words] = line.slice(1).split(" ");
  const argument = words.join(" ").trim();
  const number = (least: number, most: number): number | null => {
    const value = Number(argument);
    if (argument !== "" && value >= least && value <= most) return value;
    console.log(`/${name} takes a number from ${least} to ${most}`);
    return null;
  };
  switch (name) {
    case "quit":
    case "exit":
      terminal.close();
      return false;
    case "reset":
      session.reset();
      console.log("A new conversation.");
      return true;
    case "system":
      session.reset(argument);
      console.log("A new conversation with that system prompt.");
      return true;
    case "temperature": {
      session.options.temperature = number(...SAMPLING_BOUNDS.temperature) ?? session.options.temperature;
      return true;
    }
    case "seed":
      session.options.seed = argument === "" ? undefined : (number(0, SAMPLING_BOUNDS.seed[1]) ?? session.options.seed);
      return true;
    case "save":
      save(session, argument);
      return true;
    default:
      console.log(HELP);
      return true;
  }
}

function save(session: Session, path: string): void {
  if (path === "") {
    console.log("/save takes the name of a file");
    return;
  }
  try {
    writeFileSync(path, `${JSON.stringify({ messages: session.chat.messages }, null, 2)}\n`);
    console.log(`saved to ${path}`);
  } catch (error) {
    console.log(unwritable(path, error).message);
  }
}
