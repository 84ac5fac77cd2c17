/**
 * JSON Schema (2020-12, and what earlier drafts and OpenAPI write otherwise) as a form. What is written is valid, though not all that is valid
 * can be written: properties come in the order of the schema, and others only where the schema asks for them. What each keyword means for a reply
 * says `keywords.ts`.
 */
import { EngineError } from "../engine.ts";
import { Checker } from "./check.ts";
import { type Choice, Conjunctions, typesOf } from "./conjunction.ts";
import { allDisjoint } from "./disjoint.ts";
import { ANY_VALUE, literal, type Node } from "./grammar.ts";
import type { Json, Schema } from "./keywords.ts";
import { impossiblePlace, Lengths } from "./lengths.ts";
import { TypedForms } from "./typed.ts";
import { type Budget, FORM_LIMITS, TooLarge, type Work } from "./work.ts";

export interface SchemaForm {
  node: Node;
  /** What is wrong with an answer, as far as it could not be held to while it was written; null: all of it was. */
  check: ((value: unknown) => string | null) | null;
}

export interface SchemaOptions {
  /** The request's field, for errors. */
  param: string;
  /** Goes on without keywords that are not supported, instead of refusing them. */
  lenient?: boolean;
  /** Must hold as well. */
  also?: Schema;
}

/** @throws EngineError "invalid" that names the keyword and where it stands; RangeError if it is too large */
export function* schemaForm(schema: unknown, options: SchemaOptions, budget: Budget): Work<SchemaForm> {
  const { param, lenient = false, also = true } = options;
  const invalid = (message: string) => new EngineError("invalid", `${param}: ${message}`, { param });
  const length = lengthOf(schema);
  if (length > FORM_LIMITS.length)
    throw invalid(`a schema of more than ${FORM_LIMITS.length} characters, or nested too deep; make it smaller`);
  const refuse = (path: string, message: string) => {
    const where = path.length > 200 ? `${path.slice(0, 100)}…${path.slice(-80)}` : path;
    if (!lenient) throw invalid(`${where}: ${message}`);
  };
  const compiler = new Compiler(schema as Schema, refuse, budget);
  try {
    const node = yield* compiler.compile([schema as Schema, also], "#", 0);
    const lengths = yield* Lengths.learn(node, budget);
    if (lengths.of(node) === Number.POSITIVE_INFINITY) {
      const place = impossiblePlace(node, lengths);
      throw invalid(`nothing satisfies it${place && `: there is no value for ${place}`}`);
    }
    const checker = new Checker(schema as Schema);
    return { node, check: compiler.unheld ? (value) => checker.problem(value) : null };
  } catch (error) {
    throw error instanceof RangeError ? invalid(error.message) : error;
  }
}

/** Characters as JSON; Infinity where it is nested too deep to tell. */
function lengthOf(schema: unknown): number {
  try {
    return JSON.stringify(schema)?.length ?? 0;
  } catch (error) {
    if (error instanceof RangeError) return Number.POSITIVE_INFINITY;
    throw error;
  }
}

class Compiler {
  /** Whether something must be checked in the end. */
  unheld = false;
  private readonly sets: Conjunctions;
  private readonly refuse: (path: string, message: string) => void;
  private readonly budget: Budget;
  private readonly checker: Checker;
  private readonly typed: TypedForms;
  /** What is recursive ends, and what is repeated is shared. */
  private readonly known = new Map<string, Node & { kind: "any of" }>();

  private readonly unfinished = new Set<Node>();

  constructor(root: Schema, refuse: (path: string, message: string) => void, budget: Budget) {
    this.refuse = refuse;
    this.budget = budget;
    this.sets = new Conjunctions(root, refuse, budget);
    this.checker = new Checker(root);
    this.typed = new TypedForms({
      compile: (parts, path, depth) => this.compile(parts, path, depth),
      refuse,
      unheld: () => {
        this.unheld = true;
      },
      unfinished: (node) => this.unfinished.has(node),
      budget,
    });
  }

  /** The form of a value that satisfies all of these schemas. */
  *compile(parts: readonly Schema[], path: string, depth: number): Work<Node> {
    if (this.budget.due) yield;
    if (depth > FORM_LIMITS.depth) {
      this.refuse(path, `deeper than ${FORM_LIMITS.depth} schemas`);
      return ANY_VALUE;
    }
    const set = this.sets.flat(parts, path);
    if (!set) return { kind: "any of", options: [] };
    if (set.length === 0) return ANY_VALUE;
    const key = this.sets.key(set);
    const before = this.known.get(key);
    if (before) return before;
    if (this.known.size >= FORM_LIMITS.nodes)
      throw new TooLarge(`more than ${FORM_LIMITS.nodes} schemas and combinations of schemas; simplify it`);
    const node: Node & { kind: "any of" } = { kind: "any of", options: [] };
    this.known.set(key, node);
    this.unfinished.add(node);
    const choice = this.sets.choice(set);
    if (choice) yield* this.choose(choice, node, path, depth);
    else if (set.some((schema) => "const" in schema || "enum" in schema)) node.options.push(this.values(set, path));
    else {
      if (set.some((schema) => REST.some((keyword) => keyword in schema))) this.unheld = true;
      for (const type of typesOf(set)) node.options.push(yield* this.typed.of(type, set, path, depth + 1));
    }
    this.unfinished.delete(node);
    return node;
  }

  private *choose({ options, keyword, schema }: Choice, node: Node & { kind: "any of" }, path: string, depth: number) {
    if (options.length > FORM_LIMITS.values)
      throw new TooLarge(`${path}/${keyword}: more than ${FORM_LIMITS.values} alternatives; simplify it`);
    if (keyword === "oneOf") {
      const apart = yield* allDisjoint(schema.oneOf as Schema[], (parts) => this.sets.flat(parts, path), this.budget);
      this.unheld ||= !apart;
    } else if (keyword !== "anyOf") this.unheld = true;
    for (const [i, option] of options.entries())
      node.options.push(yield* this.compile(option, `${path}/${keyword}/${i}`, depth + 1));
  }

  /** Of what enum and const list, the values that satisfy everything else. */
  private values(set: readonly Json[], path: string): Node {
    const lists = set.flatMap((schema) => [
      ...("const" in schema ? [[schema.const]] : []),
      ...("enum" in schema ? [schema.enum as unknown[]] : []),
    ]);
    const [values] = lists.sort((a, b) => a.length - b.length);
    if (values.length > FORM_LIMITS.values)
      throw new TooLarge(`${path}/enum: more than ${FORM_LIMITS.values} values; make it shorter`);
    const fitting = values.filter((value) => {
      this.budget.spend(1 + (JSON.stringify(value)?.length ?? 0));
      return this.checker.fits(set, value);
    });
    return fitting.length > 0 ? literal(fitting) : { kind: "any of", options: [] };
  }
}

/** Keywords that the finished answer is checked for where they have not become a choice. */
const REST = ["not", "if", "dependentRequired", "dependentSchemas", "dependencies"];
