/** Rows of answered requests, kept for prompts that begin the same: what was computed once is not computed again. */
import type { Block } from "./blocks.ts";

/** Tokens whose latents stand in a block's rows, one each. */
export interface Cached {
  readonly tokens: ArrayLike<number>;
  readonly block: Block;
  /** Whose they are: nobody else's prompts find them, or how quickly a prompt is read would tell what others asked. */
  readonly scope?: string;
}

/** A prompt for which a beginning is sought. */
export interface Sought extends Pick<Cached, "tokens" | "scope"> {
  /** Only rows will do that every repeatable request would have read alike. */
  readonly repeatable?: boolean;
}

export class PrefixCache {
  /** The least recently used first. */
  private entries: Cached[] = [];
  private readonly free: (block: Block) => void;
  private readonly most: number;

  /** free: gives a block's rows back. most: entries that are kept at most; each costs a look at every new prompt. */
  constructor(free: (block: Block) => void, most = 1024) {
    this.free = free;
    this.most = most;
  }

  get rows(): number {
    return this.entries.reduce((sum, { block }) => sum + block.capacity, 0);
  }

  /** Takes over a block. Entries that are a beginning of it go: it serves every prompt that they would. */
  keep(entry: Cached): void {
    const { tokens, block } = entry;
    const { entry: known, shared } = this.longest(entry, tokens.length);
    if (known && shared === tokens.length && known.block.repeatable >= block.repeatable) {
      this.free(block);
      return;
    }
    this.entries = this.entries.filter((other) => {
      const covered =
        other.scope === entry.scope &&
        sharedPrefix(other.tokens, tokens) === other.tokens.length &&
        other.block.repeatable <= block.repeatable;
      if (covered) this.free(other.block);
      return !covered;
    });
    this.entries.push(entry);
    while (this.entries.length > this.most) this.evict();
  }

  /** The entry that shares the longest beginning with the first `length` tokens of the same scope, and how long that is. */
  longest(
    { tokens, scope, repeatable = false }: Sought,
    length: number,
    others: Iterable<Cached> = [],
  ): { entry: Cached | null; shared: number } {
    let best: Cached | null = null;
    let shared = 0;
    const look = (entry: Cached) => {
      if (entry.scope !== scope) return;
      // An entry that differs where the best ends cannot share more: most are told apart by one comparison.
      const rows = usable(entry.block, repeatable);
      if (rows <= shared || shared >= length || entry.tokens[shared] !== tokens[shared]) return;
      const own = Math.min(sharedPrefix(entry.tokens, tokens), rows, length);
      if (own > shared) [best, shared] = [entry, own];
    };
    for (const entry of this.entries) look(entry);
    for (const entry of others) look(entry);
    return { entry: best, shared };
  }

  has(entry: Cached): boolean {
    return this.entries.includes(entry);
  }

  /** Marks an entry as used now. */
  touch(entry: Cached): void {
    this.take(entry);
    this.entries.push(entry);
  }

  /** Hands an entry's block to the caller. */
  take(entry: Cached): void {
    this.entries.splice(this.entries.indexOf(entry), 1);
  }

  /** Frees the least recently used entry but `except`; false if there is none. */
  evict(except: Cached | null = null): boolean {
    const entry = this.entries.find((other) => other !== except);
    if (!entry) return false;
    this.take(entry);
    this.free(entry.block);
    return true;
  }
}

/** Rows of a block that a prompt may take over. */
function usable({ used, repeatable }: Block, onlyRepeatable: boolean): number {
  return onlyRepeatable ? Math.min(used, repeatable) : used;
}

/** How many tokens two lists have in common at their beginnings. */
export function sharedPrefix(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const most = Math.min(a.length, b.length);
  let n = 0;
  while (n < most && a[n] === b[n]) n++;
  return n;
}
