/** Sentences of docs/architecture.md that can be looked up in the sources. Others are held where the code is that they speak of. */
import { describe, expect, it } from "vitest";
import { listFiles, readAll } from "./files.ts";
import { importsOf } from "./rules.ts";

describe("the architecture", () => {
  it("of the server the site knows the types of wire.ts and engine.ts, and nothing else", () => {
    const outside = [...readAll(listFiles("web", /\.(ts|svelte)$/))].flatMap(([path, text]) =>
      importsOf(text).flatMap(({ specifier, typeOnly }) => {
        const from = /^(?:\.\.\/)+(src\/(?:[a-z-]+\/)*[a-z-]+\.ts)$/.exec(specifier)?.[1];
        // web/ has a src/ of its own.
        return from && !/^src\/(state|lib|render|components|i18n)\//.test(from) ? [{ path, from, typeOnly }] : [];
      }),
    );
    expect(outside.filter(({ typeOnly }) => !typeOnly)).toEqual([]);
    expect([...new Set(outside.map(({ from }) => from))].toSorted()).toEqual([
      "src/infer/engine.ts",
      "src/serve/wire.ts",
    ]);
  });

  it("the server speaks to an Engine, never to a model", () => {
    const sources = readAll(listFiles("src/serve", /\.ts$/).filter((path) => !/\.test\.ts$|\/testing\//.test(path)));
    expect(sources.size).toBeGreaterThan(40);
    const rooms = [...sources].flatMap(([path, text]) =>
      importsOf(text).flatMap(({ specifier }) => {
        const room = /^(?:\.\.\/)+(tensor|model|checkpoint|data|train)\/index\.ts$/.exec(specifier)?.[1];
        return room ? [`${path}: ${room}`] : [];
      }),
    );
    expect(rooms).toEqual([]);
  });

  it("one decoder: only src/infer/scheduling draws tokens", () => {
    const sources = readAll(listFiles("src", /\.ts$/).filter((path) => !/\.test\.ts$|\/testing\//.test(path)));
    const drawing = [...sources].filter(([, text]) => /\bnew RequestSampler\(/.test(text)).map(([path]) => path);
    expect(drawing.length).toBeGreaterThan(0);
    expect(drawing.filter((path) => !path.startsWith("src/infer/scheduling/"))).toEqual([]);
  });
});
