/** Where the reader is: the address's fragment, so that any server that hands out one page is enough. */
export const CARD = "#/card";

class Route {
  /** Null: a new conversation. */
  conversation = $state<string | null>(null);
  /** The model's card is on show instead of a chat. */
  card = $state(false);
  /** A message to show, of a search. */
  message = $state<string | null>(null);

  constructor() {
    this.read();
    addEventListener("hashchange", () => this.read());
  }

  private read(): void {
    const [, id, message] = /^#\/c\/([^/]+)(?:\/m\/([^/]+))?/.exec(location.hash) ?? [];
    this.card = location.hash === CARD;
    this.conversation = id ? decodeURIComponent(id) : null;
    this.message = message ? decodeURIComponent(message) : null;
  }

  /** @param replace the present address stays out of the history */
  go(conversation: string | null, options: { message?: string | null; replace?: boolean } = {}): void {
    const hash = href(conversation, options.message);
    if (options.replace) history.replaceState(null, "", hash);
    else if (location.hash !== hash) history.pushState(null, "", hash);
    this.read();
  }
}

export function href(conversation: string | null, message?: string | null): string {
  if (conversation === null) return "#/";
  return `#/c/${encodeURIComponent(conversation)}${message ? `/m/${encodeURIComponent(message)}` : ""}`;
}

export const route = new Route();
