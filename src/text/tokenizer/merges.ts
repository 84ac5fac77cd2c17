/** Byte-pair merging: which pair of tokens makes which, in what order, and the merging of one word. */

/** Words longer than this many bytes are merged with a heap, in n log n; short ones by looking for the best pair again and again. */
const SHORT = 64;

/** An open-addressed table from pairs of token ids to the merged id; a merge's rank is the order in which it was added. */
export class MergeTable {
  private keys: Float64Array;
  private ranks: Int32Array;
  private results: Int32Array;
  private mask: number;
  private count = 0;
  private readonly base: number;

  /** vocabSize: an upper bound of the ids. */
  constructor(vocabSize: number, capacity: number) {
    this.base = vocabSize;
    let size = 1024;
    while (size < capacity * 2) size *= 2;
    this.mask = size - 1;
    this.keys = new Float64Array(size).fill(-1);
    this.ranks = new Int32Array(size);
    this.results = new Int32Array(size);
  }

  private slot(left: number, right: number): number {
    const key = left * this.base + right;
    let at = (Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b)) & this.mask;
    at = (at ^ (at >>> 11)) & this.mask;
    while (this.keys[at] !== key && this.keys[at] !== -1) at = (at + 1) & this.mask;
    return at;
  }

  /** Adds the next merge. A pair that is there already keeps its first rank. */
  add(left: number, right: number, result: number): void {
    const at = this.slot(left, right);
    if (this.keys[at] !== -1) return;
    this.keys[at] = left * this.base + right;
    this.ranks[at] = this.count++;
    this.results[at] = result;
  }

  /** Merges a word, given as ids of its bytes, in place; returns how many ids are left at its front. */
  merge(ids: Int32Array, length: number): number {
    return length <= SHORT ? this.mergeShort(ids, length) : this.mergeLong(ids, length);
  }

  private mergeShort(ids: Int32Array, length: number): number {
    while (length > 1) {
      let best = 0x7fffffff;
      let bestAt = -1;
      let bestSlot = 0;
      for (let i = 0; i + 1 < length; i++) {
        const slot = this.slot(ids[i], ids[i + 1]);
        if (this.keys[slot] !== -1 && this.ranks[slot] < best) {
          best = this.ranks[slot];
          bestAt = i;
          bestSlot = slot;
        }
      }
      if (bestAt < 0) break;
      ids[bestAt] = this.results[bestSlot];
      ids.copyWithin(bestAt + 1, bestAt + 2, length);
      length--;
    }
    return length;
  }

  private mergeLong(ids: Int32Array, length: number): number {
    const next = Int32Array.from({ length }, (_, i) => (i + 1 < length ? i + 1 : -1));
    const previous = Int32Array.from({ length }, (_, i) => i - 1);
    // Heap of rank · length + position: the lowest rank first, of equals the leftmost.
    const heap = new MinHeap();
    const offer = (i: number) => {
      if (i < 0 || next[i] < 0) return;
      const slot = this.slot(ids[i], ids[next[i]]);
      if (this.keys[slot] !== -1) heap.push(this.ranks[slot] * length + i);
    };
    for (let i = 0; i + 1 < length; i++) offer(i);
    while (heap.size > 0) {
      const entry = heap.pop();
      const i = entry % length;
      const rank = (entry - i) / length;
      if (ids[i] < 0 || next[i] < 0) continue;
      const slot = this.slot(ids[i], ids[next[i]]);
      // The pair may have changed since it was offered.
      if (this.keys[slot] === -1 || this.ranks[slot] !== rank) continue;
      const gone = next[i];
      ids[i] = this.results[slot];
      ids[gone] = -1;
      next[i] = next[gone];
      if (next[i] >= 0) previous[next[i]] = i;
      offer(i);
      offer(previous[i]);
    }
    let kept = 0;
    for (let i = 0; i >= 0; i = next[i]) ids[kept++] = ids[i];
    return kept;
  }
}

/** A binary heap of numbers, the least first. */
export class MinHeap {
  private readonly items: number[] = [];

  get size(): number {
    return this.items.length;
  }

  push(value: number): void {
    const { items } = this;
    let at = items.push(value) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (items[parent] <= value) break;
      items[at] = items[parent];
      at = parent;
    }
    items[at] = value;
  }

  /** Takes the least out; the heap must not be empty. */
  pop(): number {
    const { items } = this;
    const least = items[0];
    const last = items.pop()!;
    if (items.length === 0) return least;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && items[child + 1] < items[child]) child++;
      if (items[child] >= last) break;
      items[at] = items[child];
      at = child;
    }
    items[at] = last;
    return least;
  }
}
