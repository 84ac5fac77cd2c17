/** The thread that turns Markdown into HTML, so that no text can hold up the page. */
import { renderBlocks } from "./markdown.ts";
import type { Answer, Job } from "./pool.ts";

const post = (message: Answer): void => postMessage(message);

addEventListener("message", async ({ data }: MessageEvent<Job>) => {
  try {
    post({ id: data.id, blocks: await renderBlocks(data.text, data.final, data.kind) });
  } catch {
    // A parser that gives up (a stack that ran out) is no reason to show nothing.
    post({ id: data.id, blocks: [{ length: data.text.length, html: null }] });
  }
});

post({ id: -1, blocks: [] });
