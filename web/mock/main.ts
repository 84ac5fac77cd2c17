/** `npx node web/mock/main.ts [PORT]`: the site with a pretended model, to try it out by hand. */
import { fileURLToPath } from "node:url";
import { startMock } from "./server.ts";

const mock = await startMock(fileURLToPath(new URL("../../dist/web", import.meta.url)), {
  port: Number(process.argv[2] ?? 3100),
});
process.stdout.write(`${mock.url}\n`);
