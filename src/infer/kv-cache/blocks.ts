/** Rows of the latent cache, given out in runs: a sequence's rows lie one after the other, because the attention kernels read them so. */

/** A run of rows that somebody holds. The allocator may move it: read `start` anew after every `allocate` and `grow`. */
export interface Block {
  start: number;
  capacity: number;
  /** Rows at the beginning that hold something, set by the holder: what a move carries along. */
  used: number;
  /** Rows at the beginning that are as every repeatable request would have read them (see reuse.ts). */
  repeatable: number;
}

export class BlockAllocator {
  readonly rows: number;
  /** In the order of their rows. */
  private readonly blocks: Block[] = [];
  private readonly move: (from: number, to: number, count: number) => void;
  private held = 0;

  /** move: copies `count` rows; source and target may overlap. */
  constructor(rows: number, move: (from: number, to: number, count: number) => void) {
    this.rows = rows;
    this.move = move;
  }

  /** Rows that no block holds. They may lie scattered: they can be had all the same, by moving what lies between. */
  get free(): number {
    return this.rows - this.held;
  }

  /** Whether that many rows can be had in one run, or a block be grown to them, without moving others. */
  fits(capacity: number, block: Block | null = null): boolean {
    const inPlace = block !== null && this.roomAfter(block) >= capacity - block.capacity;
    return inPlace || this.gap(capacity) !== null;
  }

  /** A block of this many rows, or null if fewer are free. */
  allocate(capacity: number): Block | null {
    if (capacity > this.free) return null;
    const block = { start: this.gap(capacity) ?? this.open(capacity), capacity, used: 0, repeatable: 0 };
    this.insert(block);
    this.held += capacity;
    return block;
  }

  /** Makes a block larger, where it lies or elsewhere; false if too few rows are free. */
  grow(block: Block, capacity: number): boolean {
    const more = capacity - block.capacity;
    if (more <= 0) return true;
    if (more > this.free) return false;
    if (this.roomAfter(block) < more) {
      const elsewhere = this.gap(capacity);
      if (elsewhere !== null) this.relocate(block, elsewhere);
      else this.open(more, this.blocks.indexOf(block));
    }
    block.capacity = capacity;
    this.held += more;
    return true;
  }

  /** Gives back the rows beyond the first `capacity`. */
  shrink(block: Block, capacity: number): void {
    this.held -= block.capacity - capacity;
    block.capacity = capacity;
  }

  release(block: Block): void {
    this.blocks.splice(this.blocks.indexOf(block), 1);
    this.held -= block.capacity;
  }

  /** Where the first free run of this many rows begins. */
  private gap(capacity: number): number | null {
    let at = 0;
    for (const block of this.blocks) {
      if (block.start - at >= capacity) return at;
      at = block.start + block.capacity;
    }
    return this.rows - at >= capacity ? at : null;
  }

  private roomAfter(block: Block): number {
    const next = this.blocks[this.blocks.indexOf(block) + 1];
    return (next ? next.start : this.rows) - block.start - block.capacity;
  }

  private insert(block: Block): void {
    const after = this.blocks.findIndex(({ start }) => start > block.start);
    this.blocks.splice(after === -1 ? this.blocks.length : after, 0, block);
  }

  private relocate(block: Block, start: number): void {
    this.shift(block, start);
    this.blocks.splice(this.blocks.indexOf(block), 1);
    this.insert(block);
  }

  private shift(block: Block, start: number): void {
    if (start === block.start) return;
    if (block.used > 0) this.move(block.start, start, block.used);
    block.start = start;
  }

  /**
   * Makes a free run of `count` rows, behind the block at place `behind` if that is given, by moving blocks that lie side by side: those that hold the
   * fewest rows of all whose gaps suffice. Gives where the run begins.
   */
  private open(count: number, behind: number | null = null): number {
    const { blocks } = this;
    const { from, to } = this.cheapest(count, behind);
    const split = behind === null ? to : behind + 1;
    let start = this.endBefore(from);
    let end = this.startAt(to);
    for (let i = from; i < split; i++) {
      this.shift(blocks[i], start);
      start += blocks[i].capacity;
    }
    for (let i = to - 1; i >= split; i--) {
      end -= blocks[i].capacity;
      this.shift(blocks[i], end);
    }
    return start;
  }

  /** Regions from … to−1 whose gaps hold `count` rows, with the fewest rows to move; around the place behind `behind`, if that is given. */
  private cheapest(count: number, behind: number | null): { from: number; to: number } {
    const { blocks } = this;
    const best = { from: 0, to: blocks.length, used: Number.POSITIVE_INFINITY };
    const first = behind === null ? 0 : behind + 1;
    const last = behind === null ? blocks.length : behind + 1;
    let to = first;
    let used = 0;
    let held = 0;
    for (let i = 0; i < to; i++) [used, held] = [used + blocks[i].used, held + blocks[i].capacity];
    for (let from = 0; from <= last; from++) {
      const enough = () => this.startAt(to) - this.endBefore(from) - held >= count;
      for (; to < blocks.length && !enough(); to++) [used, held] = [used + blocks[to].used, held + blocks[to].capacity];
      if (!enough()) break;
      if (used < best.used) Object.assign(best, { from, to, used });
      if (from < to) [used, held] = [used - blocks[from].used, held - blocks[from].capacity];
      else to++;
    }
    return best;
  }

  /** The end of what lies before the block at a place, and the beginning of that block, or of what is behind all. */
  private endBefore(place: number): number {
    return place === 0 ? 0 : this.blocks[place - 1].start + this.blocks[place - 1].capacity;
  }

  private startAt(place: number): number {
    return place < this.blocks.length ? this.blocks[place].start : this.rows;
  }
}
