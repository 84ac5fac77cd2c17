/** The chat site in Chromium against the real server with Minnow: the whole way from a click to the kernels and back, and through a kill. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { buildSite, hasChromium, launch, say, settled, visit } from "../web/testing/harness.ts";
import { MAIN } from "./shoal.ts";
import { startTide } from "./tide.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

let tide: Awaited<ReturnType<typeof startTide>>;
let browser: Browser;
let server: ChildProcess;
let url: string;
let data: string;

/** Starts `shoal serve` and reads its address from its first line. */
async function serve(port: number): Promise<void> {
  const args = [
    "serve",
    "--port",
    String(port),
    "--data-dir",
    data,
    "--json",
    "--model",
    "models/minnow",
    "--upstream",
    tide.url,
  ];
  server = spawn(process.execPath, [MAIN, ...args], { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
  let complaints = "";
  server.stderr!.on("data", (chunk: Buffer) => (complaints += chunk));
  const lines = createInterface({ input: server.stdout! });
  const first = await Promise.race([once(lines, "line"), once(server, "exit").then(() => null)]);
  if (!first) throw new Error(`shoal serve ended: ${complaints}`);
  ({ url } = JSON.parse(String(first[0])) as { url: string });
}

describe.skipIf(!hasChromium)("the chat site with Minnow", () => {
  beforeAll(async () => {
    buildSite();
    data = mkdtempSync(join(tmpdir(), "shoal-site-"));
    tide = await startTide();
    [browser] = await Promise.all([launch(), serve(0)]);
  });
  afterAll(async () => {
    await browser?.close();
    if (server && server.exitCode === null) {
      server.kill("SIGKILL");
      await once(server, "exit");
    }
    tide.server.closeAllConnections();
    tide.server.close();
    rmSync(data, { recursive: true, force: true });
  });

  test("an example is answered, looked into, found again, and answered twice side by side", async () => {
    const { page, trouble } = await visit(browser, url);
    await page.getByText("It cannot be relied on").waitFor();
    const example = page.locator(".welcome li button").first();
    const question = (await example.textContent())!;
    await example.click();
    await page.locator("article.assistant .figures").waitFor();
    await settled(page);
    expect(await page.locator("article.assistant .md").textContent()).toMatch(/\w{2}/);
    expect(await page.locator("article.assistant .figures").textContent()).toMatch(
      /\d+ tokens · [\d.,]+ tokens\/s · \$0\.0/,
    );
    await page.getByRole("button", { name: "X-ray", exact: true }).click();
    await page.getByRole("option").first().waitFor();
    await page.getByText("Experts of the whole answer").waitFor();
    expect(await page.getByRole("heading", { name: "Rivals" }).count()).toBe(1);
    const word = question.match(/\w{4,}/g)!.at(-1)!;
    await page.getByRole("searchbox").fill(word);
    await page.getByRole("navigation").locator("mark").first().waitFor();
    await page.getByRole("searchbox").fill("");
    await page.getByRole("button", { name: "Compare", exact: true }).click();
    await page.getByRole("menuitemradio", { name: /a second answer/ }).click();
    await say(page, "Say hello.");
    await expect.poll(() => page.locator(".column .figures").count()).toBe(2);
    expect(trouble).toEqual([]);
    await page.context().close();
  });

  test("a server that is killed in the middle of a reply is waited for, and the reply goes on", async () => {
    const { page } = await visit(browser, url);
    await page.getByRole("button", { name: /^Choose a model/ }).click();
    await page.getByRole("menuitemradio", { name: /tide/ }).click();
    await say(page, "Count the waves.");
    const reply = page.locator("article.assistant");
    // What comes is stored every quarter of a second: by then the first waves are.
    await reply.getByText("wave 16,").waitFor();
    server.kill("SIGKILL");
    await once(server, "exit");
    await page.getByText(/Connection lost/).waitFor();
    await serve(Number(new URL(url).port));
    await reply.getByText("The server ended in the middle of this reply.").waitFor();
    expect(await reply.locator(".md").textContent()).toMatch(/^wave 1, wave 2, wave 3,/);
    await reply.getByRole("button", { name: "Continue" }).click();
    await reply.getByText(/the last wave/).waitFor();
    await settled(page);
    await page.reload();
    await page.locator("article.user").getByText("Count the waves.").waitFor();
    await reply.getByText(/^wave 1, .*the last wave/).waitFor();
    await page.context().close();
  });
});
