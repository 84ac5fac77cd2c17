/** shoal keys: who may use a server that others can reach. */
import { resolve } from "node:path";
import { Command } from "commander";
import { InputError } from "../base/index.ts";
import { dataFolder, openStore, type Store } from "../serve/index.ts";

interface Flags {
  dataDir?: string;
  json: boolean;
}

/** Keys are kept beside the conversations; a server may run meanwhile, and heeds changes at once. */
function withKeys<Result>({ dataDir }: Flags, work: (keys: Store["keys"]) => Result): Result {
  const store = openStore(resolve(dataDir ?? dataFolder()), { beside: true });
  try {
    return work(store.keys);
  } finally {
    store.close();
  }
}

const subcommand = (name: string, description: string): Command =>
  new Command(name)
    .description(description)
    .option("--data-dir <dir>", "the server's folder (default: the system's place for it)")
    .option("--json", "print one JSON object", false);

const create = subcommand("create", "make a key; it is shown this once")
  .argument(
    "<name>",
    "whose conversations it sees; a second key of a name sees the same ones, and local those of this computer",
  )
  .action((name: string, flags: Flags) => {
    if (!/^[\w.@-]{1,64}$/.test(name)) throw new InputError(`${name}: a name is 1 to 64 letters, digits and . _ - @`);
    const made = withKeys(flags, (keys) => keys.create(name));
    if (flags.json) return console.log(JSON.stringify({ ...made, name }));
    console.log(made.key);
    process.stderr.write(`Key ${made.id} of ${name}. Keep it now: only its hash is stored.\n`);
  });

const list = subcommand("list", "the keys there are, without themselves").action((flags: Flags) => {
  const keys = withKeys(flags, (all) => all.list());
  if (flags.json) return console.log(JSON.stringify({ keys }));
  const day = (time: number | null) => (time === null ? "never" : new Date(time).toISOString().slice(0, 10));
  for (const { id, name, createdAt, lastUsedAt, revokedAt } of keys)
    console.log(
      `${id}  ${name.padEnd(20)} made ${day(createdAt)}, used ${day(lastUsedAt)}${revokedAt === null ? "" : `, revoked ${day(revokedAt)}`}`,
    );
  if (keys.length === 0) console.log("no keys; make one with: shoal keys create NAME");
});

const revoke = subcommand("revoke", "end a key; at once, also at a running server")
  .argument("<id>", "as list shows it")
  .action((id: string, flags: Flags) => {
    if (!withKeys(flags, (keys) => keys.revoke(id)))
      throw new InputError(`${id}: no key in force has this id; shoal keys list shows them`);
    console.log(flags.json ? JSON.stringify({ id, revoked: true }) : `revoked ${id}`);
  });

export const keysCommand = new Command("keys");
for (const command of [create, list, revoke]) keysCommand.addCommand(command);
