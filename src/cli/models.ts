/** shoal models */
import { Command } from "commander";
import { bytesText, InputError } from "../base/index.ts";
import { findCachedModel, hubCache, listCachedModels, parseModelName, removeModel, verifyModel } from "../hub/index.ts";
import { StatusLine, untilInterrupted } from "./common.ts";

const list = new Command("list")
  .description("what is in the cache, with sizes")
  .option("--json", "print one JSON object", false)
  .action(({ json }: { json: boolean }) => {
    const models = listCachedModels();
    if (json) return console.log(JSON.stringify({ cache: hubCache(), models }));
    if (models.length === 0) return console.log(`No models in ${hubCache()}. One comes with: shoal pull owner/name`);
    const width = Math.max(...models.map(({ repository }) => repository.length));
    for (const { repository, snapshots, bytes } of models) {
      const revisions = snapshots.map(({ commit, revisions }) => revisions.join(", ") || commit.slice(0, 8));
      const missing = snapshots.flatMap(({ files }) => files).filter((file) => file.missing).length;
      console.log(
        `${repository.padEnd(width)}  ${bytesText(bytes).padStart(9)}  ${revisions.join("; ")}${missing > 0 ? `  (${missing} files missing: pull it again)` : ""}`,
      );
    }
  });

const verify = new Command("verify")
  .description("read a model's files and compare them with their hashes")
  .argument("<name>", "owner/name")
  .option("--json", "print one JSON object", false)
  .action(async (text: string, { json }: { json: boolean }) => {
    const model = findCachedModel(parseModelName(text));
    const line = new StatusLine();
    const problems: { path: string; problem: string }[] = [];
    let count = 0;
    await untilInterrupted(async (signal) => {
      for await (const { path, problem } of verifyModel(model, signal)) {
        count++;
        line.show(`${count} files read, ${path}`);
        if (problem !== null) problems.push({ path, problem });
      }
    });
    line.end();
    if (json) console.log(JSON.stringify({ repository: model.repository, files: count, problems }));
    if (problems.length > 0)
      throw new InputError(
        `${model.repository}: ${problems.map(({ path, problem }) => `${path} ${problem}`).join("; ")}`,
      );
    if (!json) console.log(`${model.repository}: ${count} files, all whole`);
  });

const remove = new Command("remove")
  .description("remove a model from the cache; what other models share stays")
  .argument("<name>", "owner/name")
  .option("--yes", "do so without asking first (without it, only what would go is said)", false)
  .action((text: string, { yes }: { yes: boolean }) => {
    const model = findCachedModel(parseModelName(text));
    if (!yes) return console.log(`Would remove ${model.folder} (${bytesText(model.bytes)}); with --yes it goes.`);
    removeModel(model);
    console.log(`Removed ${model.repository} (${bytesText(model.bytes)}).`);
  });

export const modelsCommand = new Command("models")
  .addCommand(list, { isDefault: true })
  .addCommand(verify)
  .addCommand(remove);
