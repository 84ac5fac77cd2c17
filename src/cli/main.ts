#!/usr/bin/env node
/** The `shoal` command. */
import { Command, CommanderError } from "commander";
import { InputError } from "../tensor/index.ts";
import { UserAbort } from "./common.ts";

const program = new Command("shoal")
  .description("Your own DeepSeek: train it, run it, check it, on the computer you have.")
  .option("--verbose", "show where an error came from", false)
  .enablePositionalOptions()
  .configureOutput({ outputError: oneLine })
  .exitOverride();

/** Settings that a command does not take over from its parent. A flag is the command's after which it stands: plan and plan train share some names. */
function prepare(command: Command): Command {
  command
    .enablePositionalOptions()
    .option("--verbose", "show where an error came from", false)
    .configureOutput({ outputError: oneLine })
    .exitOverride();
  for (const inner of command.commands) prepare(inner);
  return command;
}

/** In the order of --help. Only what is asked for is loaded: the server's packages would double the time that `shoal generate` takes to start. */
const COMMANDS: Record<string, () => Promise<Command>> = {
  serve: async () => (await import("./serve.ts")).serveCommand,
  keys: async () => (await import("./keys.ts")).keysCommand,
  chat: async () => (await import("./chat.ts")).chatCommand,
  generate: async () => (await import("./generate.ts")).generateCommand,
  score: async () => (await import("./score.ts")).scoreCommand,
  inspect: async () => (await import("./inspect.ts")).inspectCommand,
  data: async () => (await import("./data.ts")).dataCommand,
  train: async () => (await import("./train.ts")).trainCommand,
  report: async () => (await import("./report.ts")).reportCommand,
  plan: async () => (await import("./plan.ts")).planCommand,
  bench: async () => (await import("./bench.ts")).benchCommand,
};

const named = process.argv.slice(2).find((word) => Object.hasOwn(COMMANDS, word));
for (const load of named ? [COMMANDS[named]] : Object.values(COMMANDS)) program.addCommand(prepare(await load()));
if (!named) program.version((await import("../serve/index.ts")).VERSION, "--version", "print the version");

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
