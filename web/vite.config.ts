/** Builds the chat site into dist/web: plain files that any server can hand out under `default-src 'self'`. */
import { fileURLToPath } from "node:url";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig, type Plugin } from "vite";

const here = fileURLToPath(new URL(".", import.meta.url));

/** KaTeX names each font in three formats; every browser that runs this site reads woff2. */
const onlyWoff2: Plugin = {
  name: "katex-only-woff2",
  enforce: "pre",
  transform(code, id) {
    if (!/katex[^/]*\.css/.test(id)) return null;
    return code.replace(/,\s*url\([^)]*\.(?:woff|ttf)\)\s*format\("(?:woff|truetype)"\)/g, "");
  },
};

export default defineConfig({
  root: here,
  // Relative addresses, so that the site also works below a path of a reverse proxy.
  base: "./",
  plugins: [onlyWoff2, svelte({ configFile: false })],
  worker: { format: "es" },
  build: {
    outDir: "../dist/web",
    emptyOutDir: true,
    target: "es2023",
    cssTarget: ["chrome123", "firefox121", "safari17.5"],
    // No data: addresses, which the content security policy forbids.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    rolldownOptions: { checks: { pluginTimings: false } },
  },
  // `vite --config web/vite.config.ts` serves the sources against a server that runs beside it.
  server: { host: "127.0.0.1", proxy: { "/api": process.env.SHOAL_API ?? "http://127.0.0.1:3000" } },
});
