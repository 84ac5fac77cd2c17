/** The output items of a response, grown from an engine's events, and the stream events that tell of their growth. */
import type { EngineEvent } from "../../infer/index.ts";
import { chatLogprobs, newId } from "./answers.ts";

type ItemStatus = "in_progress" | "completed" | "incomplete";

interface TextPart {
  type: "output_text";
  text: string;
  annotations: [];
  logprobs: ReturnType<typeof chatLogprobs>;
}

export type Item =
  | {
      id: string;
      type: "reasoning";
      status: ItemStatus;
      summary: [];
      content: { type: "reasoning_text"; text: string }[];
    }
  | { id: string; type: "message"; status: ItemStatus; role: "assistant"; content: TextPart[] }
  | { id: string; type: "function_call"; status: ItemStatus; call_id: string; name: string; arguments: string };

type StreamEvent = { type: string; [field: string]: unknown };

export class Output {
  readonly items: Item[] = [];
  private readonly logprobs: boolean;
  /** The place of an engine's call among the items. */
  private readonly calls = new Map<number, number>();

  constructor(logprobs: boolean) {
    this.logprobs = logprobs;
  }

  /** Takes an event; what to stream because of it. */
  add(event: EngineEvent): StreamEvent[] {
    if (event.type === "reasoning") return this.reasoning(event.text);
    if (event.type === "text") return this.text(event);
    if (event.type === "tool_call") return this.call(event);
    return [];
  }

  /** Ends what is open. A response without any output has an empty message. */
  finish(status: "completed" | "incomplete"): StreamEvent[] {
    const opened = this.items.length === 0 ? this.text({ text: "" }) : [];
    return [...opened, ...this.close(status)];
  }

  private reasoning(text: string): StreamEvent[] {
    const events: StreamEvent[] = [];
    let item = this.items.at(-1);
    if (item?.type !== "reasoning" || item.status !== "in_progress") {
      item = { id: newId("rs_"), type: "reasoning", status: "in_progress", summary: [], content: [] };
      events.push(...this.open(item));
      item.content.push({ type: "reasoning_text", text: "" });
      events.push(this.part("added", item, structuredClone(item.content[0])));
    }
    item.content[0].text += text;
    events.push({ type: "response.reasoning_text.delta", ...this.place(item), content_index: 0, delta: text });
    return events;
  }

  private text({ text, tokens = [] }: Pick<Extract<EngineEvent, { type: "text" }>, "text" | "tokens">): StreamEvent[] {
    const events: StreamEvent[] = [];
    let item = this.items.at(-1);
    if (item?.type !== "message" || item.status !== "in_progress") {
      item = { id: newId("msg_"), type: "message", status: "in_progress", role: "assistant", content: [] };
      events.push(...this.open(item));
      item.content.push({ type: "output_text", text: "", annotations: [], logprobs: [] });
      events.push(this.part("added", item, structuredClone(item.content[0])));
    }
    const logprobs = this.logprobs ? chatLogprobs(tokens) : [];
    item.content[0].text += text;
    item.content[0].logprobs.push(...logprobs);
    if (text !== "" || logprobs.length > 0)
      events.push({ type: "response.output_text.delta", ...this.place(item), content_index: 0, delta: text, logprobs });
    return events;
  }

  private call({ index, id, name, arguments: args }: Extract<EngineEvent, { type: "tool_call" }>): StreamEvent[] {
    const events: StreamEvent[] = [];
    let item = this.items[this.calls.get(index) ?? -1];
    if (item?.type !== "function_call") {
      const call_id = id ?? newId("call_");
      item = {
        id: newId("fc_"),
        type: "function_call",
        status: "in_progress",
        call_id,
        name: name ?? "",
        arguments: "",
      };
      events.push(...this.open(item));
      this.calls.set(index, this.items.length - 1);
    }
    item.arguments += args;
    if (args !== "") events.push({ type: "response.function_call_arguments.delta", ...this.place(item), delta: args });
    return events;
  }

  private open(item: Item): StreamEvent[] {
    const closed = this.close("completed");
    this.items.push(item);
    return [
      ...closed,
      { type: "response.output_item.added", output_index: this.items.length - 1, item: structuredClone(item) },
    ];
  }

  /** Ends the item that is open, if one is. */
  private close(status: "completed" | "incomplete"): StreamEvent[] {
    const item = this.items.at(-1);
    if (item?.status !== "in_progress") return [];
    item.status = status;
    const done: StreamEvent = {
      type: "response.output_item.done",
      output_index: this.items.length - 1,
      item: structuredClone(item),
    };
    const place = this.place(item);
    if (item.type === "function_call") {
      const { name, arguments: args } = item;
      return [{ type: "response.function_call_arguments.done", ...place, name, arguments: args }, done];
    }
    const part = item.content[0];
    const whole =
      part.type === "output_text"
        ? { type: "response.output_text.done", ...place, content_index: 0, text: part.text, logprobs: part.logprobs }
        : { type: "response.reasoning_text.done", ...place, content_index: 0, text: part.text };
    return [whole, this.part("done", item, part), done];
  }

  private part(what: "added" | "done", item: Item, part: object): StreamEvent {
    return { type: `response.content_part.${what}`, ...this.place(item), content_index: 0, part };
  }

  private place(item: Item): { item_id: string; output_index: number } {
    return { item_id: item.id, output_index: this.items.indexOf(item) };
  }
}
