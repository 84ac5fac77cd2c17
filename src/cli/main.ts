#!/usr/bin/env node
/** The `shoal` command. */
import { Command, CommanderError, Help, type Option } from "commander";
import { InputError } from "../base/index.ts";
import { UserAbort } from "./common.ts";
import { flagHint, misspeltHint } from "./flag-hint.ts";

const program = new Command("shoal")
  .description("Your own DeepSeek: train it, run it, check it, on the computer you have.")
  .option("--verbose", "show where an error came from", false)
  .enablePositionalOptions()
  .configureOutput({ outputError: oneLine })
  .configureHelp({ optionDescription })
  .exitOverride();

/** Settings that a command does not take over from its parent. A flag is the command's after which it stands: plan and plan train share some names. */
function prepare(command: Command): Command {
  command
    .enablePositionalOptions()
    .option("--verbose", "show where an error came from", false)
    .configureOutput({ outputError: (message, write) => oneLine(message.trim() + hint(message, command), write) })
    .configureHelp({ optionDescription })
    .exitOverride();
  for (const inner of command.commands) prepare(inner);
  return command;
}

/** A flag that is off unless said needs no "(default: false)". */
function optionDescription(this: Help, option: Option): string {
  return Help.prototype.optionDescription.call(this, option).replace(/ \(default: (?:false|\[\])\)$/, "");
}

/** A command as --help lists it, and the command itself. */
interface Listed {
  about: string;
  /** Its arguments, where it has any. */
  takes?: string;
  load: () => Promise<Command>;
}

/** In the order of --help. Only what is asked for is loaded: the server's packages would double the time that `shoal generate` takes to start. */
const COMMANDS: Record<string, Listed> = {
  serve: {
    about: "the chat site and the API, on this computer or for others",
    load: async () => (await import("./serve.ts")).serveCommand,
  },
  keys: {
    about: "API keys of the server: create, list, revoke",
    load: async () => (await import("./keys.ts")).keysCommand,
  },
  chat: {
    about: "talk with a model in the terminal",
    load: async () => (await import("./chat.ts")).chatCommand,
  },
  generate: {
    about: "continue a text, or with --chat answer a question",
    load: async () => (await import("./generate.ts")).generateCommand,
  },
  score: {
    about: "how likely the model finds a text: log probabilities and bits per byte",
    load: async () => (await import("./score.ts")).scoreCommand,
  },
  pull: {
    about: "get a model from the Hugging Face hub by its name",
    takes: "<name>",
    load: async () => (await import("./pull.ts")).pullCommand,
  },
  models: {
    about: "the models that were pulled: list, verify, remove",
    load: async () => (await import("./models.ts")).modelsCommand,
  },
  inspect: {
    about: "what a model is made of: parameters, cache per token, sizes, tensors",
    load: async () => (await import("./inspect.ts")).inspectCommand,
  },
  data: {
    about: "look at data, and clean it",
    load: async () => (await import("./data.ts")).dataCommand,
  },
  init: {
    about: "write a first recipe for your own data",
    takes: "<recipe> <in...>",
    load: async () => (await import("./init.ts")).initCommand,
  },
  train: {
    about: "run a recipe: tokenizer, training stages, a finished model folder",
    takes: "<recipe>",
    load: async () => (await import("./train.ts")).trainCommand,
  },
  report: {
    about: "a run's report card, its model card, or its live page",
    takes: "<run>",
    load: async () => (await import("./report.ts")).reportCommand,
  },
  plan: {
    about: "what would it cost, how long, on what; or: what can this budget buy",
    load: async () => (await import("./plan.ts")).planCommand,
  },
  bench: {
    about: "how fast, and how near to what the machine can do",
    load: async () => (await import("./bench.ts")).benchCommand,
  },
};

const said = process.argv.slice(2);
const named = said.find((word) => Object.hasOwn(COMMANDS, word));
if (named) {
  const { about, load } = COMMANDS[named];
  program.addCommand(prepare((await load()).description(about)));
} else {
  for (const [name, { about, takes }] of Object.entries(COMMANDS)) {
    const listed = new Command(name).description(about);
    program.addCommand(prepare(takes ? listed.arguments(takes) : listed));
  }
  const version = said.includes("--version") ? (await import("../serve/index.ts")).VERSION : "";
  program.version(version, "--version", "print the version");
}

// A reader that goes away (shoal generate | head) is no error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = exitCodeOf(error);
}

function hint(message: string, { options }: Command): string {
  const flags = options.flatMap(({ long, hidden }) => (long && !hidden ? [long] : []));
  return flagHint(message, flags) || misspeltHint(message, said, flags);
}

/** Wrong usage in one line, with where to read on. */
function oneLine(message: string, write: (text: string) => void): void {
  write(
    `${message
      .trim()
      .replaceAll("\n", " ")
      .replace(/^error: /, "shoal: ")} (--help shows what can be said)\n`,
  );
}

/** 0 for help, 2 for wrong usage (commander has said what), 130 for Ctrl-C, else 1 with one line. */
function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof UserAbort) return 130;
  if (process.argv.includes("--verbose")) console.error(error);
  else if (error instanceof InputError) console.error(`shoal: ${error.message}`);
  else console.error(`shoal: ${(error as Error).message?.split("\n")[0] ?? error} (--verbose shows where)`);
  return 1;
}
