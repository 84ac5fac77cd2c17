/** Rows of the latent cache, given out in runs: a sequence's rows lie one after the other, because the attention kernels read them so. */

/** A run of rows that somebody holds. The allocator may move it: read `start` anew after every `allocate` and `grow`. */
export interface Region {
  start: number;
  capacity: number;
  /** Rows at the beginning that hold something, set by the holder: what a move carries along. */
  used: number;
}

export class RowAllocator {
  readonly rows: number;
  /** In the order of their rows. */
  private readonly regions: Region[] = [];
  private readonly move: (from: number, to: number, count: number) => void;
  private held = 0;

  /** move: copies `count` rows; source and target may overlap. */
  constructor(rows: number, move: (from: number, to: number, count: number) => void) {
    this.rows = rows;
    this.move = move;
  }

  /** Rows that no region holds. They may lie scattered: they can be had all the same, by moving what lies between. */
  get free(): number {
    return this.rows - this.held;
  }

  /** A region of this many rows, or null if fewer are free. */
  allocate(capacity: number): Region | null {
    if (capacity > this.free) return null;
    let at = this.gap(capacity);
    if (at === null) {
      this.compact();
      at = this.gap(capacity)!;
    }
    const region = { start: at, capacity, used: 0 };
    this.insert(region);
    this.held += capacity;
    return region;
  }

  /** Makes a region larger, where it lies or elsewhere; false if too few rows are free. */
  grow(region: Region, capacity: number): boolean {
    const more = capacity - region.capacity;
    if (more <= 0) return true;
    if (more > this.free) return false;
    if (this.roomAfter(region) < more) {
      const elsewhere = this.gap(capacity);
      if (elsewhere !== null) this.relocate(region, elsewhere);
      else this.widen(region, more);
    }
    region.capacity = capacity;
    this.held += more;
    return true;
  }

  /** Gives back the rows beyond the first `capacity`. */
  shrink(region: Region, capacity: number): void {
    this.held -= region.capacity - capacity;
    region.capacity = capacity;
  }

  release(region: Region): void {
    this.regions.splice(this.regions.indexOf(region), 1);
    this.held -= region.capacity;
  }

  /** Where the first free run of this many rows begins. */
  private gap(capacity: number): number | null {
    let at = 0;
    for (const region of this.regions) {
      if (region.start - at >= capacity) return at;
      at = region.start + region.capacity;
    }
    return this.rows - at >= capacity ? at : null;
  }

  private roomAfter(region: Region): number {
    const next = this.regions[this.regions.indexOf(region) + 1];
    return (next ? next.start : this.rows) - region.start - region.capacity;
  }

  private insert(region: Region): void {
    const after = this.regions.findIndex(({ start }) => start > region.start);
    this.regions.splice(after === -1 ? this.regions.length : after, 0, region);
  }

  private relocate(region: Region, start: number): void {
    this.shift(region, start);
    this.regions.splice(this.regions.indexOf(region), 1);
    this.insert(region);
  }

  private shift(region: Region, start: number): void {
    if (start === region.start) return;
    if (region.used > 0) this.move(region.start, start, region.used);
    region.start = start;
  }

  /** All regions to the front, with no gap between them. */
  private compact(): void {
    let at = 0;
    for (const region of this.regions) {
      this.shift(region, at);
      at += region.capacity;
    }
  }

  /** Opens `more` rows behind a region: all regions close up, then those behind it move towards the end. */
  private widen(region: Region, more: number): void {
    this.compact();
    for (let i = this.regions.length - 1; this.regions[i] !== region; i--)
      this.shift(this.regions[i], this.regions[i].start + more);
  }
}
