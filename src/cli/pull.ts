/** shoal pull */
import { Command } from "commander";
import { bytesText } from "../base/index.ts";
import { type PullProgress, parseModelName, planPull, pullModel } from "../hub/index.ts";
import { duration, StatusLine, UserAbort, untilInterrupted } from "./common.ts";

/** Seconds over which the rate of a download is measured. */
const RATE_SECONDS = 10;

/** "3.1 of 16.8 GB, 42 MB/s, 5m 20s left" */
class DownloadLine extends StatusLine {
  private readonly seen: { at: number; received: number }[] = [];

  readonly onProgress = ({ bytes, totalBytes, received, files, waiting }: PullProgress): void => {
    const now = performance.now();
    this.seen.push({ at: now, received });
    while (this.seen.length > 2 && now - this.seen[0].at > RATE_SECONDS * 1000) this.seen.shift();
    const [first] = this.seen;
    const rate = now > first.at ? ((received - first.received) / (now - first.at)) * 1000 : 0;
    const left = rate > 0 ? `${bytesText(rate)}/s, ${duration((totalBytes - bytes) / rate)} left` : "starting";
    const what =
      waiting && files.length === 0
        ? "another download is at it"
        : `${files.length} file${files.length === 1 ? "" : "s"} at a time`;
    this.show(`${bytesText(bytes)} of ${bytesText(totalBytes)}, ${left} (${what})`);
  };
}

interface Flags {
  include?: string[];
  exclude?: string[];
  dryRun: boolean;
  json: boolean;
}

const several = (value: string, before: string[] = []): string[] => [...before, value];

export const pullCommand = new Command("pull")
  .argument(
    "<name>",
    "owner/name as on the hub; @revision behind it for another state, :Q4_K_M for one of several GGUF files",
  )
  .option("--include <pattern>", "only files that match, such as '*.safetensors' (again for more)", several)
  .option("--exclude <pattern>", "not the files that match (again for more)", several)
  .option("--dry-run", "say what would be downloaded, and how much, without doing so", false)
  .option("--json", "print one JSON object", false)
  .addHelpText(
    "after",
    `
The files go into the cache that hf and transformers use as well (HF_HOME, HF_HUB_CACHE), so nothing is downloaded twice. A download that was stopped
goes on where it was. HF_TOKEN opens gated models, HF_ENDPOINT names a mirror, HF_HUB_OFFLINE=1 uses only what is here.

  shoal pull ai-sage/GigaChat3.1-10B-A1.8B-bf16
  shoal pull owner/name-GGUF:Q4_K_M --dry-run
  shoal serve --model owner/name              a model that was pulled runs by its name`,
  )
  .action(async (text: string, flags: Flags) => {
    const name = parseModelName(text);
    const { include, exclude, json } = flags;
    if (flags.dryRun) {
      const plan = await planPull(name, { include, exclude });
      if (json) return console.log(JSON.stringify(plan));
      for (const { path, size, here } of plan.files)
        console.log(`${bytesText(size).padStart(9)}  ${path}${here ? "  (is here)" : ""}`);
      console.log(`${bytesText(plan.missingBytes)} to download of ${bytesText(plan.totalBytes)}, into ${plan.folder}`);
      return;
    }
    const line = new DownloadLine();
    try {
      const folder = await untilInterrupted((signal) =>
        pullModel(name, { include, exclude, signal, onProgress: line.onProgress }),
      );
      line.end();
      if (json) console.log(JSON.stringify({ folder }));
      else console.log(folder);
    } catch (error) {
      if ((error as Error).name !== "AbortError") throw error;
      line.end();
      process.stderr.write("Stopped; the same command goes on from here.\n");
      throw new UserAbort();
    } finally {
      line.end();
    }
  });
