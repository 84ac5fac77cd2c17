/** Rows of the latent cache, given out in runs: a sequence's rows lie one after the other, because the attention kernels read them so. */

/** A run of rows that somebody holds. The allocator may move it: read `start` anew after every `allocate` and `grow`. */
export interface Region {
  start: number;
  capacity: number;
  /** Rows at the beginning that hold something, set by the holder: what a move carries along. */
  used: number;
  /** Rows at the beginning that are as every repeatable request would have read them (see reuse.ts). */
  repeatable: number;
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

  /** Whether that many rows can be had in one run, or a region be grown to them, without moving others. */
  fits(capacity: number, region: Region | null = null): boolean {
    const inPlace = region !== null && this.roomAfter(region) >= capacity - region.capacity;
    return inPlace || this.gap(capacity) !== null;
  }

  /** A region of this many rows, or null if fewer are free. */
  allocate(capacity: number): Region | null {
    if (capacity > this.free) return null;
    const region = { start: this.gap(capacity) ?? this.open(capacity), capacity, used: 0, repeatable: 0 };
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
      else this.open(more, this.regions.indexOf(region));
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

  /**
   * Makes a free run of `count` rows, behind the region at place `behind` if that is given, by moving regions that lie side by side: those that hold the
   * fewest rows of all whose gaps suffice. Gives where the run begins.
   */
  private open(count: number, behind: number | null = null): number {
    const { regions } = this;
    const { from, to } = this.cheapest(count, behind);
    const split = behind === null ? to : behind + 1;
    let start = this.endBefore(from);
    let end = this.startAt(to);
    for (let i = from; i < split; i++) {
      this.shift(regions[i], start);
      start += regions[i].capacity;
    }
    for (let i = to - 1; i >= split; i--) {
      end -= regions[i].capacity;
      this.shift(regions[i], end);
    }
    return start;
  }

  /** Regions from … to−1 whose gaps hold `count` rows, with the fewest rows to move; around the place behind `behind`, if that is given. */
  private cheapest(count: number, behind: number | null): { from: number; to: number } {
    const { regions } = this;
    const best = { from: 0, to: regions.length, used: Number.POSITIVE_INFINITY };
    const first = behind === null ? 0 : behind + 1;
    const last = behind === null ? regions.length : behind + 1;
    let to = first;
    let used = 0;
    let held = 0;
    for (let i = 0; i < to; i++) [used, held] = [used + regions[i].used, held + regions[i].capacity];
    for (let from = 0; from <= last; from++) {
      const enough = () => this.startAt(to) - this.endBefore(from) - held >= count;
      for (; to < regions.length && !enough(); to++)
        [used, held] = [used + regions[to].used, held + regions[to].capacity];
      if (!enough()) break;
      if (used < best.used) Object.assign(best, { from, to, used });
      if (from < to) [used, held] = [used - regions[from].used, held - regions[from].capacity];
      else to++;
    }
    return best;
  }

  /** The end of what lies before the region at a place, and the beginning of that region, or of what is behind all. */
  private endBefore(place: number): number {
    return place === 0 ? 0 : this.regions[place - 1].start + this.regions[place - 1].capacity;
  }

  private startAt(place: number): number {
    return place < this.regions.length ? this.regions[place].start : this.rows;
  }
}
