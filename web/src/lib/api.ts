/** The server's API (src/serve/wire.ts) as functions. Addresses are relative, so that the site works below any path. */

import type { TokenInfo } from "../../../src/infer/engine.ts";
import type {
  ApiError,
  ChatSettings,
  Conversation,
  ConversationSummary,
  ConversationTree,
  Count,
  Draft,
  Export,
  Imported,
  Info,
  Message,
  NewMessage,
  Preset,
} from "../../../src/serve/wire.ts";

/** status 0: the server could not be reached. */
export class RequestFailed extends Error {
  readonly status: number;
  readonly code: string | null;

  constructor(status: number, message: string, code: string | null = null) {
    super(message);
    this.name = "RequestFailed";
    this.status = status;
    this.code = code;
  }
}

const KEY = "shoal.key";

/** The key for a server that asks for one. It stays in this browser. */
export const apiKey = {
  get: (): string | null => localStorage.getItem(KEY),
  set: (key: string | null): void => (key ? localStorage.setItem(KEY, key) : localStorage.removeItem(KEY)),
};

export function headers(body: boolean): HeadersInit {
  const key = apiKey.get();
  return {
    ...(body ? { "content-type": "application/json" } : {}),
    ...(key ? { authorization: `Bearer ${key}` } : {}),
  };
}

/** @throws RequestFailed */
export async function open(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(`api/${path}`, {
      method,
      signal,
      headers: headers(body !== undefined),
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new RequestFailed(0, "");
  }
  if (response.ok) return response;
  const failure = (await response.json().catch(() => null)) as ApiError | null;
  throw new RequestFailed(
    response.status,
    failure?.error?.message ?? `${response.status} ${response.statusText}`,
    failure?.error?.code ?? null,
  );
}

async function ask<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  const response = await open(method, path, body, signal);
  return (await response.json()) as T;
}

const conversation = (id: string, rest = "") => `conversations/${encodeURIComponent(id)}${rest}`;
const message = (id: string, rest: string) => `messages/${encodeURIComponent(id)}/${rest}`;

export const api = {
  info: () => ask<Info>("GET", "info"),
  card: () => ask<{ text: string }>("GET", "card"),
  setDefaults: (settings: ChatSettings) => ask<ChatSettings>("PUT", "defaults", settings),
  count: (draft: Draft, signal?: AbortSignal) => ask<Count>("POST", "count", draft, signal),
  conversations: (query: { limit?: number; before?: number; q?: string }, signal?: AbortSignal) => {
    const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== "");
    const search = new URLSearchParams(given.map(([name, value]) => [name, String(value)]));
    return ask<{ conversations: ConversationSummary[]; more: boolean }>(
      "GET",
      `conversations?${search}`,
      undefined,
      signal,
    );
  },
  create: (body: { title?: string; settings?: ChatSettings }) => ask<Conversation>("POST", "conversations", body),
  tree: (id: string) => ask<ConversationTree>("GET", conversation(id)),
  change: (id: string, body: { title?: string; settings?: ChatSettings; leafId?: string }) =>
    ask<Conversation>("PATCH", conversation(id), body),
  remove: (id: string) => ask<{ restoreUntil: number }>("DELETE", conversation(id)),
  restore: (id: string) => ask<Conversation>("POST", conversation(id, "/restore"), {}),
  fork: (id: string, messageId: string) => ask<Conversation>("POST", conversation(id, "/fork"), { messageId }),
  send: (id: string, body: NewMessage) =>
    ask<{ message: Message; replies: Message[] }>("POST", conversation(id, "/messages"), body),
  regenerate: (id: string, body: { model?: string; settings?: ChatSettings }) =>
    ask<Message>("POST", message(id, "regenerate"), body),
  continue: (id: string) => ask<Message>("POST", message(id, "continue"), {}),
  stop: (id: string) => ask<Message>("POST", message(id, "stop"), {}),
  xray: (id: string) => ask<{ tokens: TokenInfo[] }>("GET", message(id, "xray")),
  presets: () => ask<{ presets: Preset[] }>("GET", "presets"),
  savePresets: (presets: Preset[]) => ask<{ presets: Preset[] }>("PUT", "presets", { presets }),
  export: () => open("GET", "export").then((response) => response.blob()),
  import: (body: Export) => ask<Imported>("POST", "import", body),
  removeAll: () => ask<{ deleted: number }>("DELETE", "conversations"),
};
