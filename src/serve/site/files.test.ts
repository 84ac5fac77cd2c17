import { mkdirSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { testFolder, testServer } from "../testing/test-server.ts";
import type { Info } from "../wire.ts";
import { cardOf, readCard } from "./files.ts";

function modelFolder(readme: string): string {
  const folder = testFolder();
  writeFileSync(join(folder, "README.md"), readme);
  return folder;
}

describe("the model's card", () => {
  const folder = modelFolder("---\nlicense: mit\n---\n# Minnow <script>\n");

  it("is given as Markdown without its fields, and the first visit says whose it is", async () => {
    const server = testServer({}, { card: cardOf({ id: "minnow", dir: folder }) });
    expect(await (await server.get("/api/card")).json()).toEqual({ text: "# Minnow <script>\n" });
    expect((await server.get("/card")).headers.get("location")).toBe("./#/card");
    const { welcome, admitted } = (await (await server.get("/api/info")).json()) as Info;
    expect(admitted).toBe(true);
    expect(welcome).toMatchObject({ model: "minnow", card: true, examples: { length: 4 } });
    expect(welcome.lines.join(" ")).not.toMatch(/leaves/);
  });

  it("is behind the key where the rest is", async () => {
    const server = testServer({}, { requireKeys: true, card: cardOf({ id: "minnow", dir: folder }) });
    expect((await server.get("/api/card")).status).toBe(401);
    const wrong = { authorization: "Bearer sk-shoal-wrong" };
    expect(await (await server.get("/api/info", wrong)).json()).toMatchObject({
      admitted: false,
      models: [],
      defaults: {},
      welcome: { model: null, lines: [], card: false },
    });
    const { key } = server.store.keys.create("ada");
    const right = { authorization: `Bearer ${key}` };
    expect((await server.get("/api/card", right)).status).toBe(200);
    expect(await (await server.get("/api/info", right)).json()).toMatchObject({ admitted: true, needsKey: true });
  });

  it.skipIf(process.platform === "win32")("is a regular file of the folder or nothing", async () => {
    const linked = testFolder();
    symlinkSync(join(folder, "README.md"), join(linked, "README.md"));
    const device = testFolder();
    symlinkSync("/dev/zero", join(device, "README.md"));
    const directory = testFolder();
    mkdirSync(join(directory, "README.md"));
    const large = modelFolder("x");
    truncateSync(join(large, "README.md"), 64 << 20);
    for (const dir of [linked, device, directory, large, join(folder, "missing"), null])
      await expect(readCard(dir)).rejects.toMatchObject({ status: 404 });
    for (const dir of [linked, device, directory])
      expect(cardOf({ id: "other", dir })).toMatchObject({ folder: null, welcome: { card: false } });
    // A folder that is itself a link is the person's own choice.
    const alias = join(testFolder(), "alias");
    symlinkSync(folder, alias);
    expect(await readCard(alias)).toBe("# Minnow <script>\n");
  });

  it("of another model leaves Minnow's words out", () => {
    expect(cardOf({ id: "other", dir: folder })).toMatchObject({
      welcome: { model: "other", lines: [], examples: [] },
    });
    expect(cardOf(null)).toMatchObject({ welcome: { model: null, lines: [], card: false }, folder: null });
  });
});
