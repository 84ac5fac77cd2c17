/** What the browser tests share: the built site, Chromium, and the watch over everything that must never happen on a page. */
import { spawnSync } from "node:child_process";
import { existsSync, globSync, mkdirSync, rmSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";

const root = fileURLToPath(new URL("../..", import.meta.url));
export const SITE = `${root}dist/web`;
export const CHROMIUM = process.env.SHOAL_CHROMIUM ?? "/usr/bin/chromium";
export const hasChromium = existsSync(CHROMIUM);

if (!hasChromium)
  process.stderr.write(
    `No Chromium at ${CHROMIUM}: the tests of the site in a browser are skipped (SHOAL_CHROMIUM names another).\n`,
  );

const newest = (patterns: string[]): number =>
  Math.max(...globSync(patterns, { cwd: root }).map((path) => statSync(root + path).mtimeMs));

/** Builds the site where it is missing or older than its sources. Two test files may ask at once: the second waits. */
export function buildSite(): void {
  const sources = newest([
    "web/index.html",
    "web/vite.config.ts",
    "web/public/*",
    "web/src/**/*.{ts,svelte,css}",
    "package-lock.json",
  ]);
  const lock = `${root}dist/.web-lock`;
  const isBuilt = (): boolean => existsSync(`${SITE}/index.html`) && statSync(`${SITE}/index.html`).mtimeMs >= sources;
  mkdirSync(`${root}dist`, { recursive: true });
  while (!isBuilt()) {
    try {
      mkdirSync(lock);
    } catch {
      // A lock of a build that died is older than any build takes.
      if (existsSync(lock) && Date.now() - statSync(lock).mtimeMs > 120_000)
        rmSync(lock, { recursive: true, force: true });
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
      continue;
    }
    try {
      const built = spawnSync(
        process.execPath,
        ["node_modules/vite/bin/vite.js", "build", "--config", "web/vite.config.ts"],
        { cwd: root, encoding: "utf8" },
      );
      if (built.status !== 0) throw new Error(`Building the site failed: ${built.stderr}`);
    } finally {
      rmSync(lock, { recursive: true, force: true });
    }
  }
}

export function launch(): Promise<Browser> {
  const args = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
  ];
  return chromium.launch({ executablePath: CHROMIUM, headless: true, args });
}

export interface Visit {
  page: Page;
  /** What went wrong on the page: errors, refusals of the policy, dialogs, requests to elsewhere. */
  trouble: string[];
}

/** Opens a page of its own, in English unless told otherwise. */
export async function visit(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<Visit> {
  const context = await browser.newContext({ locale: "en-GB", viewport: { width: 1280, height: 800 }, ...options });
  context.setDefaultTimeout(30_000);
  const page = await context.newPage();
  const trouble: string[] = [];
  page.on("pageerror", (error) => trouble.push(`error: ${error.message}`));
  page.on("console", (message) => {
    // Lines of the browser about failed requests are no trouble by themselves: some tests cut the connection.
    if (message.type() === "error" && !/Failed to load resource|net::ERR/.test(message.text()))
      trouble.push(`console: ${message.text()}`);
  });
  page.on("dialog", (dialog) => {
    trouble.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on("request", (request) => {
    if (!request.url().startsWith(new URL(url).origin) && !request.url().startsWith("blob:"))
      trouble.push(`request: ${request.url()}`);
  });
  await page.goto(url);
  await page.getByRole("textbox", { name: /Message|消息/ }).waitFor();
  return { page, trouble };
}

/** Writes a message and sends it, once the page is ready to. */
export async function say(page: Page, text: string): Promise<void> {
  await page.locator("#composer").fill(text);
  await page.locator("form button[type=submit]:enabled").waitFor();
  await page.locator("#composer").press("Enter");
}

/** Until nothing is being written any more. */
export async function settled(page: Page): Promise<void> {
  await page.locator("form[data-busy=false]").waitFor();
}
