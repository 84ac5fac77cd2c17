/**
 * Calls of tools as servers stream them. By OpenAI's form each has an index, and an id and a name in its first piece; others leave the index out or repeat
 * it, give ids or names anew with each piece or never, and arguments as objects. What belongs together is found by all of them.
 */
import type { EngineEvent } from "../../infer/index.ts";
import { newId } from "../openai/answers.ts";
import { count, isObject, type Json, list, object, text } from "./json.ts";

type CallEvent = Extract<EngineEvent, { type: "tool_call" }>;

/** Calls of one answer at most, and characters of a name, as conversations may bring them back. */
export const MAX_CALLS = 128;
const MAX_NAME = 256;

interface Call {
  /** Its place among the calls, from 0. */
  place: number;
  /** As the server gave it, or "". */
  given: string;
  name: string;
  arguments: string;
  /** Its name is whole, and was told. */
  begun: boolean;
}

export class ToolCalls {
  readonly all: Call[] = [];
  private readonly ids = new Set<string>();
  private readonly byIndex = new Map<string, Call>();
  /** The calls that the last chunk was about, by their places in it. */
  private last: Call[] = [];

  /** Takes the calls of a chunk. `whole`: a message, in which each entry is a call. @throws RangeError for too many */
  take(entries: unknown, whole: boolean): CallEvent[] {
    const events: CallEvent[] = [];
    const chunk: Call[] = [];
    // A single call may come without its list.
    const given = isObject(entries) ? [entries] : list(entries);
    for (const [i, entry] of given.entries()) {
      if (!isObject(entry)) continue;
      const call = this.piece(entry, whole ? null : (this.last[i] ?? null), whole, chunk, events);
      chunk.push(call);
    }
    if (chunk.length > 0) this.last = chunk;
    return events;
  }

  /** Characters of calls that were not told yet, for want of a name. */
  get waiting(): number {
    return this.all.reduce((sum, call) => sum + (call.begun ? 0 : call.arguments.length), 0);
  }

  /**
   * Calls without arguments get an empty object, which is what they mean.
   * @param cut the answer was ended: a call may lack its name
   * @throws RangeError for a call without a name
   */
  end(cut: boolean): CallEvent[] {
    return this.all.flatMap((call) => {
      if (call.name === "" && cut) return [];
      if (call.name === "") throw new RangeError("it calls a tool without naming it");
      if (call.arguments.trim() === "") call.arguments = "{}";
      else if (call.begun) return [];
      return call.begun ? [this.more(call, call.arguments)] : this.begin(call);
    });
  }

  private piece(entry: Json, before: Call | null, whole: boolean, chunk: readonly Call[], events: CallEvent[]): Call {
    const made = isObject(entry.function) ? entry.function : entry;
    const id = typeof entry.id === "number" ? String(entry.id) : text(entry.id);
    const name = text(made.name);
    const added = argumentsOf(made.arguments ?? made.parameters ?? made.input);
    const index = indexOf(entry.index);
    let call = whole ? null : this.found({ id, name, added, index }, before);
    // Two entries of one chunk are two calls, unless they say that they are one.
    if (call && chunk.includes(call) && name !== "") call = null;
    call ??= this.create(id);
    if (!call.begun && name !== call.name) call.name += name;
    if (call.name.length > MAX_NAME) throw new RangeError(`a tool's name is longer than ${MAX_NAME} characters`);
    if (index !== null) this.byIndex.set(index, call);
    call.arguments += added;
    if (call.begun) {
      if (added !== "") events.push(this.more(call, added));
    } else if (call.name !== "" && call.arguments !== "") events.push(...this.begin(call));
    return call;
  }

  private more({ place }: Call, added: string): CallEvent {
    return { type: "tool_call", index: place, arguments: added };
  }

  /** Tells of a call with all that has come of it. */
  private begin(call: Call): CallEvent[] {
    call.begun = true;
    const { place, given, name } = call;
    return [
      { type: "tool_call", index: place, id: this.ownId(given), name, arguments: "" },
      this.more(call, call.arguments),
    ];
  }

  /** The call that a piece goes on with; null: it begins one. */
  private found(
    { id, name, added, index }: { id: string; name: string; added: string; index: string | null },
    before: Call | null,
  ): Call | null {
    const known = id === "" ? null : (this.all.findLast((call) => call.given === id) ?? null);
    const at = index === null ? (known ?? before ?? this.all.at(-1) ?? null) : (this.byIndex.get(index) ?? null);
    if (!at) return index === null && name === "" ? known : null;
    if (id !== "" && at.given !== "" && id !== at.given) return null;
    if (name === "") return at;
    // A name again: of the same call, where the server repeats it, and of another, where that one is complete.
    // The rest of a name is told by its call's index, without an id, before there are arguments.
    if (at.name !== "" && name !== at.name)
      return index !== null && id === "" && at.given !== "" && at.arguments === "" ? at : null;
    const again = id === "" || at.given === "";
    return again && added !== "" && isComplete(at.arguments) ? null : at;
  }

  private create(given: string): Call {
    if (this.all.length === MAX_CALLS) throw new RangeError(`an answer calls tools more than ${MAX_CALLS} times`);
    const call: Call = { place: this.all.length, given, name: "", arguments: "", begun: false };
    this.all.push(call);
    return call;
  }

  /** The server's id, where it is one: without or with another's, answers of tools could not be told apart. */
  private ownId(given: string): string {
    const id = given === "" || given.length > 256 || this.ids.has(given) ? newId("call_") : given;
    this.ids.add(id);
    return id;
  }
}

function indexOf(value: unknown): string | null {
  if (typeof value === "string" && value !== "") return value;
  const index = count(value);
  return index === null ? null : String(index);
}

/** Arguments as JSON, whether they come as a text or as what it says. */
function argumentsOf(value: unknown): string {
  if (typeof value === "string") return value;
  return value === undefined || value === null ? "" : JSON.stringify(value);
}

function isComplete(json: string): boolean {
  try {
    return isObject(JSON.parse(json));
  } catch {
    return false;
  }
}

/** A call in OpenAI's old form, as an entry of the new. */
export const functionCall = (value: unknown): Json[] =>
  isObject(value) ? [object({ function: value, index: "function_call" })] : [];
