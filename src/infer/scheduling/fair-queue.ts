/** A queue in which clients take turns: who asks a hundred things at once waits longer than who asks one. */
export class FairQueue<T> {
  /** Waiting items by client; the client whose turn is next comes first. */
  private readonly clients = new Map<string, T[]>();
  size = 0;

  push(client: string, item: T): void {
    const own = this.clients.get(client);
    if (own) own.push(item);
    else this.clients.set(client, [item]);
    this.size++;
  }

  /** Each client's first item, in the order of turns. */
  heads(): { client: string; item: T }[] {
    return [...this.clients].map(([client, items]) => ({ client, item: items[0] }));
  }

  /** Takes a client's first item; its next turn comes after everybody else's. */
  take(client: string): T {
    const items = this.clients.get(client)!;
    const item = items.shift()!;
    this.clients.delete(client);
    if (items.length > 0) this.clients.set(client, items);
    this.size--;
    return item;
  }

  /** Takes everything out. */
  clear(): T[] {
    const all = [...this.clients.values()].flat();
    this.clients.clear();
    this.size = 0;
    return all;
  }

  /** Removes an item wherever it stands; false if it is not there. */
  remove(item: T): boolean {
    for (const [client, items] of this.clients) {
      const at = items.indexOf(item);
      if (at < 0) continue;
      items.splice(at, 1);
      if (items.length === 0) this.clients.delete(client);
      this.size--;
      return true;
    }
    return false;
  }
}
