/** The thread of the sandbox: one program at a time, each in an interpreter of its own. */
import { parentPort } from "node:worker_threads";
import {
  newQuickJSWASMModuleFromVariant,
  newVariant,
  type QuickJSContext,
  type QuickJSHandle,
  type QuickJSWASMModule,
  RELEASE_SYNC,
  Scope,
} from "quickjs-emscripten";
import type { Outcome, Program, SandboxLimits } from "./sandbox.ts";

/**
 * What calls the function, made before the program's code runs, from functions that it can no longer replace. The values that are expected
 * never enter the interpreter.
 */
const CALLER = `(({ stringify, parse }, apply) => (run, json) => {
  const result = stringify(apply(run, undefined, parse(json)));
  return result === undefined ? "null" : result;
})(JSON, Reflect.apply)`;

/** What code for other places expects to be there. */
const SURROUNDINGS = `
globalThis.console = { log() {}, info() {}, warn() {}, error() {}, debug() {} };
globalThis.module = { exports: {} };
globalThis.exports = module.exports;
`;

const PAGE_BYTES = 2 ** 16;
/** What the interpreter itself begins with, and room for what it does not count as the program's. */
const OWN_PAGES = 256;
const SPARE_PAGES = 256;

const modules = new Map<number, Promise<QuickJSWASMModule>>();

/**
 * The interpreter in a memory that cannot grow beyond a program's and its own: its own count of what a program takes misses arrays that are
 * filled at once.
 */
function moduleOf(memoryBytes: number): Promise<QuickJSWASMModule> {
  const known = modules.get(memoryBytes);
  if (known) return known;
  const maximum = OWN_PAGES + SPARE_PAGES + Math.ceil(memoryBytes / PAGE_BYTES);
  const wasmMemory = new WebAssembly.Memory({ initial: OWN_PAGES, maximum });
  const module = newQuickJSWASMModuleFromVariant(newVariant(RELEASE_SYNC, { wasmMemory }));
  modules.set(memoryBytes, module);
  return module;
}

parentPort!.on("message", async ({ program, limits }: { program: Program; limits: SandboxLimits }) => {
  const quickjs = await moduleOf(limits.memoryBytes);
  const scope = new Scope();
  parentPort!.postMessage(execute(quickjs, scope, program, limits));
  try {
    scope.dispose();
  } catch {
    // An interpreter that ran out of memory may not come apart cleanly; the next program gets a fresh thread.
    process.exit(1);
  }
});

function execute(quickjs: QuickJSWASMModule, scope: Scope, program: Program, limits: SandboxLimits): Outcome[] {
  const { source, entryPoint, calls } = program;
  const runtime = scope.manage(
    quickjs.newRuntime({ memoryLimitBytes: limits.memoryBytes, maxStackSizeBytes: limits.stackBytes }),
  );
  let interrupts = 0;
  runtime.setInterruptHandler(() => ++interrupts > limits.interrupts);
  const context = scope.manage(runtime.newContext());
  const take = (result: { value: QuickJSHandle; error?: undefined } | { error: QuickJSHandle }) =>
    result.error ? describe(context, scope.manage(result.error)) : scope.manage(result.value);
  const evaluate = (code: string) => take(context.evalCode(code, "reply.js"));
  const all = (error: string): Outcome[] => calls.map(() => ({ error }));
  try {
    evaluate(SURROUNDINGS);
    const caller = evaluate(CALLER) as QuickJSHandle;
    const loaded = evaluate(source.replace(/^export\s+(default\s+)?/gm, ""));
    if (typeof loaded === "string") return all(loaded);
    const run = evaluate(entryPoint);
    if (typeof run === "string" || context.typeof(run) !== "function") return all(`there is no function ${entryPoint}`);
    return calls.map((args): Outcome => {
      interrupts = 0;
      const json = scope.manage(context.newString(JSON.stringify(args)));
      const result = take(context.callFunction(caller, context.undefined, run, json));
      return typeof result === "string" ? { error: result } : { value: JSON.parse(context.getString(result)) };
    });
  } catch (error) {
    return all(`the interpreter failed (${(error as Error).message.split("\n")[0]})`);
  }
}

/** "TypeError: x is not a function", at most a line. */
function describe(context: QuickJSContext, error: QuickJSHandle): string {
  const value: unknown = context.dump(error);
  const { name, message } = (typeof value === "object" && value !== null ? value : { message: value }) as Record<
    string,
    unknown
  >;
  return `${name === undefined ? "" : `${name}: `}${message}`.split("\n")[0].slice(0, 200);
}
