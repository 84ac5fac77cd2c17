import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { codeIn, finalAnswer, namedLine, partsOf } from "./check.ts";
import { checkTask, generateTask, runProgram, SANDBOX_LIMITS, TASK_KINDS, type Task } from "./index.ts";

const task = (answer: string): Task => ({ kind: "arithmetic", prompt: "", reply: "", answer });

const doubled: Task = {
  kind: "javascript",
  prompt: "",
  reply: "",
  code: {
    entryPoint: "double",
    tests: [
      { args: [2], expected: 4 },
      { args: [0], expected: 0 },
      { args: [-1.5], expected: -3 },
    ],
  },
};
const fenced = (code: string) => `Here it is:\n\`\`\`js\n${code}\n\`\`\`\nIt doubles.`;
/** On a busy machine too it is the interpreter that ends a program, not the clock. */
const PATIENT = { ...SANDBOX_LIMITS, milliseconds: 120_000 };
const check = (code: string) => checkTask(doubled, fenced(code), PATIENT);

describe.each(TASK_KINDS)("%s", (kind) => {
  it("the generator's own replies are right, and another task's are not", async () => {
    for (let i = 0; i < 40; i++) {
      const one = generateTask(kind, "test", 7, i);
      expect(await checkTask(one, one.reply)).toMatchObject({ correct: true });
      const other = generateTask(kind, "test", 8, i);
      if (other.answer !== one.answer || other.code?.entryPoint !== one.code?.entryPoint)
        expect(await checkTask(one, other.reply)).toMatchObject({ correct: false });
    }
  });
});

describe("final answers", () => {
  it.each([
    ["The answer is 42.", "42", true],
    ["the answer is 41, no: the answer is 42", "42", true],
    ["Answer: **1,042** apples", "1042", true],
    ["The answer is 6 x 7 = 42.", "42", true],
    ["6 x 7 = 42", "42", true],
    ["$\\boxed{42}$", "42", true],
    ["The answer is 42.0", "42", true],
    ["The answer is −5.", "-5", true],
    ["The answer is 5.", "-5", false],
    ["The answer is 12 remainder 3.", "12 remainder 3", true],
    ["The answer is 12 r 3.", "12 remainder 3", true],
    ["The answer is 12.", "12 remainder 3", false],
    ["The answer is 12 remainder 2.", "12 remainder 3", false],
    ["The answer is 43. It is not 42", "42", false],
    ["The answer is unknown", "42", false],
    ["", "42", false],
  ])("%s for %s: %s", async (reply, answer, correct) => {
    expect((await checkTask(task(answer), reply)).correct).toBe(correct);
  });

  it("a reply without a number has none", () => {
    expect(finalAnswer("I do not know.")).toBe(null);
  });
});

describe("code", () => {
  it("is found in a fence of any name, in the last that defines it, or without one", () => {
    expect(codeIn("```\nconst f = (x) => x;\n```", "f")).toBe("const f = (x) => x;\n");
    expect(codeIn("```js\nfunction f() {}\n```\n```js\nfunction f() { return 1; }\n```\n```\nf(2)\n```", "f")).toMatch(
      /return 1/,
    );
    expect(codeIn("Sure.\nfunction f(x) {\n  return x;\n}\nThat is it.", "f")).toBe("function f(x) {\n  return x;\n}");
    expect(codeIn("```js\nfunction f(x) {", "f")).toBe("function f(x) {");
    expect(codeIn("There is no code, only f.", "f")).toBe(null);
  });

  it.each([
    "function double(n) { return n * 2; }",
    "export default function double(n) { return n + n; }",
    "const double = (n) => { console.log(n); return 2 * n; };\nmodule.exports = { double };",
    "const helper = (n) => n * 2;\nfunction double(n) { return helper(n); }",
  ])("%s passes", async (code) => {
    expect(await check(code)).toEqual({ correct: true, detail: "passes 3 tests" });
  });

  it("says which call went wrong and how", async () => {
    expect((await check("function double(n) { return n * n; }")).detail).toBe(
      "double(-1.5) should give -3: gives 2.25",
    );
    expect((await check("function double(n) { return n.x.y; }")).detail).toMatch(
      /double\(2\) should give 4: TypeError: /,
    );
    expect((await check("function double(n) { return n *; }")).detail).toMatch(/SyntaxError/);
    expect((await checkTask(doubled, "I would rather not.")).detail).toBe("there is no function double in the reply");
    expect((await check("const double = 4;")).detail).toMatch(/there is no function double/);
  });
});

describe("hostile code", () => {
  it.each([
    ["a loop without end", "function double(n) { for (;;); }", /interrupted/],
    ["a loop without end before any call", "function double(n) { return 2 * n; }\nwhile (true) {}", /interrupted/],
    ["recursion without end", "function double(n) { return double(n) + 1; }", /stack|interrupted/],
    [
      "a regular expression that does not end",
      'function double(n) { return /(a+)+$/.test("a".repeat(40) + "b"); }',
      /interrupted/,
    ],
    ["a string that doubles", 'function double(n) { let s = "ab"; for (;;) s += s; }', /too long|memory/],
    ["a huge array", "function double(n) { return new Array(5e8).fill(n); }", /memory|interrupted/],
    ["a huge number", "function double(n) { return 2n ** (2n ** 30n); }", /Error/],
    ["a promise", "async function double(n) { return 2 * n; }", /gives \{\}/],
    ["a getter that throws", "function double(n) { return { get x() { throw 1; } }; }", /: 1/],
    [
      "an error that lies",
      'function double(n) { throw { name: "value", message: 4, toString() { return 4; } }; }',
      /value: 4/,
    ],
    ["itself returned in a circle", "function double(n) { const a = []; a.push(a); return a; }", /circular/],
    ["the process", "function double(n) { return process.exit(0); }", /process is not defined|'process'/],
    ["a module", 'function double(n) { return require("fs"); }', /require/],
    ["an import", 'function double(n) { return import("node:fs"); }', /gives \{\}/],
    [
      "the constructor's way out",
      'function double(n) { return double.constructor("return this")().process.pid; }',
      /TypeError/,
    ],
    ["a very long program", `function double(n) { return ${"1 + ".repeat(40_000)} n; }`, /longer than/],
  ])("%s fails, and nothing else", async (_, code, why) => {
    const { correct, detail } = await check(code);
    expect(correct).toBe(false);
    expect(detail).toMatch(why);
  });

  it("changed prototypes and globals do not make a wrong value right", async () => {
    const wrong = "function double(n) { return n; }\n";
    for (const trick of [
      "Object.prototype.toJSON = () => 4;",
      'JSON.stringify = () => "4";',
      "JSON.parse = () => [4]; Reflect.apply = () => 4;",
      "Function.prototype.call = Function.prototype.apply = () => 4;",
      "Object.is = () => true; Array.prototype.every = () => true;",
      "globalThis.double = { valueOf: () => 4 };",
    ])
      expect((await check(wrong + trick)).correct).toBe(false);
  });

  it("what does not answer interrupts is ended with its thread, and the next program runs", async () => {
    const source = "function double(n) { return [].indexOf.call({ length: 2 ** 53 - 1 }, n); }";
    const stuck = runProgram({ source, entryPoint: "double", calls: [[2]] }, { ...SANDBOX_LIMITS, milliseconds: 300 });
    const after = check("function double(n) { return 2 * n; }");
    expect(await stuck).toEqual([{ error: "took longer than 300 ms" }]);
    expect((await after).correct).toBe(true);
  });

  it("a program that filled its memory leaves the next one whole", async () => {
    expect((await check("function double(n) { const a = []; for (;;) a.push({ a }); }")).correct).toBe(false);
    expect((await check("function double(n) { return 2 * n; }")).correct).toBe(true);
  });
});

describe("planted bugs", () => {
  const bug: Task = {
    ...doubled,
    kind: "bug",
    prompt:
      "This JavaScript function should double.\n\n1 function double(n) {\n2   return n * 3;\n3 }\n\nFind the bug.",
    bug: { line: 2, fixed: "return n * 2;" },
  };
  const good = "```js\nfunction double(n) {\n  return n * 2;\n}\n```";

  it.each([
    [`The bug is in line 2: \`return n * 3;\` should be \`return n * 2;\`.\n\n${good}`, true, true],
    [`**Line 2** is wrong.\n${good}`, true, true],
    [`Line 3 is wrong.\n${good}`, false, true],
    [good, false, true],
    ["Line 2 should be `return n + n;`.", true, true],
    ["Line 2 should be `return n;`.", true, false],
    ["Line 9 should be `return n * 2;`.", false, false],
    ["Line 2.", true, false],
    ["", false, false],
  ])("%s: line %s, fix %s", async (reply, line, fix) => {
    expect(await checkTask(bug, reply)).toMatchObject({ line, fix, correct: line && fix });
  });

  it.each(["`", "```", "```x ", "` ", "line ", "line number ", "answer ", "1,", "double ", "function ", "double = "])(
    "a reply of nothing but %j is checked at once",
    async (piece) => {
      const reply = `line${" ".repeat(60_000)}${piece.repeat(120_000 / piece.length)}`;
      const before = process.cpuUsage();
      expect(await checkTask(bug, reply)).toMatchObject({ correct: false });
      expect(process.cpuUsage(before).user / 1000).toBeLessThan(800);
    },
  );
});

describe("replies made to take long", () => {
  const pieces = fc.array(
    fc.constantFrom("```", "`", "\n", "js", " ", "line", "Line no. ", "number", "3", ":", "#", "*", "a"),
    {
      maxLength: 30,
    },
  );

  it("blocks, prose and named lines are what plain patterns find", () => {
    const fenced = /```[^\n]*\n([\s\S]*?)(?:```|$)/g;
    const named = /\bline\s*(?:number|no\.?)?[\s:#*`]*(\d+)/i;
    fc.assert(
      fc.property(pieces, (list) => {
        const reply = list.join("");
        expect(partsOf(reply)).toEqual({
          blocks: [...reply.matchAll(fenced)].map(([, code]) => code),
          prose: reply.replaceAll(fenced, ""),
        });
        expect(namedLine(reply)).toBe(named.exec(reply)?.[1] ?? null);
      }),
      { seed: 16, numRuns: 2000 },
    );
  });

  it("take time by their length alone", async () => {
    const bug = generateTask("bug", "test", 7, 0);
    const code = generateTask("javascript", "test", 7, 0);
    const long = 300_000;
    for (const part of [
      "`",
      "line ",
      "line no. ",
      " ",
      "```\n",
      "``` ",
      "function ",
      "function\n",
      "1 r ",
      "1,",
      "answer ",
      "answer is ",
      "-",
      "\n",
      `${code.code!.entryPoint} `,
    ])
      for (const head of ["", "line", "```", "answer", "1", "export"]) {
        const reply = head + part.repeat(long / part.length);
        const began = performance.now();
        for (const one of [bug, code, task("3")]) await checkTask(one, reply);
        expect([head, part, performance.now() - began < 2000]).toEqual([head, part, true]);
      }
  });

  it("code that fills arrays at once does not take more memory than it may have", async () => {
    const before = process.memoryUsage().rss;
    const source = "function f() { let a = []; for (;;) a.push(new Array(1e5).fill(1)); }";
    const [outcome] = await runProgram({ source, entryPoint: "f", calls: [[]] }, PATIENT);
    expect(outcome).toEqual({ error: expect.stringMatching(/memory|interrupted/) });
    expect(process.memoryUsage().rss - before).toBeLessThan(3 * SANDBOX_LIMITS.memoryBytes + 2 ** 26);
  });
});
