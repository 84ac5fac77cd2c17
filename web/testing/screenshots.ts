/**
 * `npx node web/testing/screenshots.ts URL`: the pictures of docs/screenshots/, taken of a running `shoal serve` with Minnow.
 * What the pictures show is what the model said: they are taken anew when the model or the site changes.
 */
import { fileURLToPath } from "node:url";
import type { Page } from "playwright-core";
import { launch, say, settled, visit } from "./harness.ts";

const url = process.argv[2];
if (!url)
  throw new Error("name the address of a running server: npx node web/testing/screenshots.ts http://127.0.0.1:3000");
const folder = fileURLToPath(new URL("../../docs/screenshots/", import.meta.url));
const WIDE = { width: 1280, height: 800 };

const browser = await launch();
const calm = (page: Page): Promise<void> => page.waitForTimeout(700);
const shoot = async (page: Page, name: string): Promise<void> => {
  await calm(page);
  await page.screenshot({ path: `${folder}${name}.png` });
  process.stdout.write(`docs/screenshots/${name}.png\n`);
};

const first = await visit(browser, url, { viewport: WIDE, colorScheme: "light" });
await shoot(first.page, "first-visit");

const { page } = await visit(browser, url, { viewport: WIDE, colorScheme: "dark" });
for (const prompt of ["Name three animals that live in the sea.", "Tell me a short story about a fox and a river."]) {
  await say(page, prompt);
  await settled(page);
}
await page.getByRole("button", { name: "X-ray", exact: true }).last().click();
await page.getByRole("option").nth(3).click();
await page
  .locator("article.assistant")
  .last()
  .evaluate((element) => element.scrollIntoView({ block: "start" }));
await shoot(page, "x-ray");

await page.setViewportSize(WIDE);
await page.emulateMedia({ colorScheme: "light" });
await page.getByRole("button", { name: "X-ray", exact: true }).last().click();
await page.getByRole("button", { name: "Compare", exact: true }).click();
await page.getByRole("menuitemradio").last().click();
await say(page, "What is the sea?");
await settled(page);
await page.getByRole("button", { name: "Chat settings" }).click();
await shoot(page, "compare");

const phone = await visit(browser, `${url}/${new URL(page.url()).hash}`, {
  viewport: { width: 390, height: 800 },
  colorScheme: "dark",
  hasTouch: true,
});
await phone.page.locator("article.assistant").last().waitFor();
await shoot(phone.page, "phone");
await browser.close();
