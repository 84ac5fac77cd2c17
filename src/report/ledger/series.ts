/**
 * The course of many numbers over a run, in bounded memory: values of neighbouring steps share a bucket that keeps their sum, least and greatest.
 * When all buckets are taken, each two become one. So a spike of one step among 100,000 is still seen.
 */

/** Where in the run a value stands. */
export interface Place {
  step: number;
  tokens: number;
  seconds: number;
  coreHours: number;
}

interface Cell {
  sum: number;
  count: number;
  min: number;
  max: number;
}

interface Bucket {
  /** Steps in it, and the last of them. */
  steps: number;
  place: Place;
  cells: Map<string, Cell>;
}

export interface Point {
  place: Place;
  mean: number;
  min: number;
  max: number;
}

export class Series {
  private readonly capacity: number;
  private buckets: Bucket[] = [];
  private width = 1;

  /** capacity: most buckets; there are between half of it and all of it once a run is long. */
  constructor(capacity = 400) {
    this.capacity = capacity;
  }

  /** Adds a step's values; those that are not finite are left out. */
  add(place: Place, values: Iterable<readonly [name: string, value: number]>): void {
    let last = this.buckets.at(-1);
    if (!last || last.steps >= this.width) {
      if (this.buckets.length === this.capacity) this.halve();
      last = this.buckets.at(-1);
      if (!last || last.steps >= this.width) {
        last = { steps: 0, place, cells: new Map() };
        this.buckets.push(last);
      }
    }
    last.steps++;
    last.place = place;
    for (const [name, value] of values)
      if (Number.isFinite(value)) put(last.cells, name, { sum: value, count: 1, min: value, max: value });
  }

  /** Forgets what stands at this step or later, and what shares a bucket with it: the run went back and does it again. */
  cut(step: number): void {
    this.buckets = this.buckets.filter(({ place }) => place.step < step);
  }

  /** A name's points in order; buckets without a value of it are left out. */
  points(name: string): Point[] {
    return this.buckets.flatMap(({ place, cells }) => {
      const cell = cells.get(name);
      return cell ? [{ place, mean: cell.sum / cell.count, min: cell.min, max: cell.max }] : [];
    });
  }

  private halve(): void {
    const merged: Bucket[] = [];
    for (let i = 0; i < this.buckets.length; i += 2) {
      const bucket = this.buckets[i];
      const next = this.buckets[i + 1];
      if (next) {
        bucket.steps += next.steps;
        bucket.place = next.place;
        for (const [name, cell] of next.cells) put(bucket.cells, name, cell);
      }
      merged.push(bucket);
    }
    this.buckets = merged;
    this.width *= 2;
  }
}

function put(cells: Map<string, Cell>, name: string, { sum, count, min, max }: Cell): void {
  const cell = cells.get(name);
  if (!cell) {
    cells.set(name, { sum, count, min, max });
    return;
  }
  cell.sum += sum;
  cell.count += count;
  cell.min = Math.min(cell.min, min);
  cell.max = Math.max(cell.max, max);
}
