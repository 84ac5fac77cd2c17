import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Block, BlockAllocator } from "./blocks.ts";
import { PrefixCache } from "./prefix-cache.ts";

/** Rows that hold numbers, and who wrote them. */
function rowsOf(count: number) {
  const memory = new Int32Array(count).fill(-1);
  const rows = new BlockAllocator(count, (from, to, length) => memory.copyWithin(to, from, from + length));
  return { memory, rows };
}

describe("BlockAllocator", () => {
  it("keeps blocks apart and what they hold, whatever is allocated, grown, shrunk and released", () => {
    const action = fc.tuple(
      fc.constantFrom("allocate", "allocate", "grow", "grow", "shrink", "release"),
      fc.nat(30),
      fc.nat(30),
    );
    fc.assert(
      fc.property(fc.array(action, { maxLength: 80 }), (actions) => {
        const { memory, rows } = rowsOf(100);
        const held: { block: Block; mark: number }[] = [];
        let mark = 0;
        const fill = ({ block, mark }: { block: Block; mark: number }) => {
          block.used = block.capacity;
          memory.fill(mark, block.start, block.start + block.capacity);
        };
        for (const [what, which, size] of actions) {
          const chosen = held[which % Math.max(1, held.length)];
          const free = rows.free;
          if (what === "allocate") {
            const block = rows.allocate(size + 1);
            expect(block !== null).toBe(size + 1 <= free);
            if (block) {
              held.push({ block, mark: mark++ });
              fill(held[held.length - 1]);
            }
          } else if (!chosen) continue;
          else if (what === "grow") {
            expect(rows.grow(chosen.block, chosen.block.capacity + size)).toBe(size <= free);
            fill(chosen);
          } else if (what === "shrink") {
            chosen.block.used = Math.min(chosen.block.used, Math.max(1, chosen.block.capacity - size));
            rows.shrink(chosen.block, chosen.block.used);
          } else {
            rows.release(chosen.block);
            held.splice(held.indexOf(chosen), 1);
          }
          expect(rows.free).toBe(100 - held.reduce((sum, { block }) => sum + block.capacity, 0));
          for (const { block, mark } of held) {
            const own = memory.subarray(block.start, block.start + block.used);
            expect(own.length).toBe(block.used);
            expect(own.every((value) => value === mark)).toBe(true);
          }
        }
      }),
      { seed: 5, numRuns: 300 },
    );
  });

  describe("where free rows lie scattered", () => {
    /** Regions of these capacities, half full, with gaps of 4 rows between them; and how many rows were moved since. */
    function scattered(capacities: number[]) {
      let moved = 0;
      const total = capacities.reduce((sum, capacity) => sum + capacity + 4, 0);
      const rows = new BlockAllocator(total, (_from, _to, count) => {
        moved += count;
      });
      const gaps: Block[] = [];
      const blocks = capacities.map((capacity) => {
        const block = rows.allocate(capacity)!;
        block.used = capacity >> 1;
        gaps.push(rows.allocate(4)!);
        return block;
      });
      for (const gap of gaps) rows.release(gap);
      return { rows, blocks, moved: () => moved };
    }

    it("moves the fewest rows that make a run", () => {
      const { rows, blocks, moved } = scattered([40, 40, 10, 10, 40]);
      expect(rows.fits(12)).toBe(false);
      // Two gaps beside the first small block, and the one behind the second.
      expect(rows.allocate(12)!.start).toBe(40 + 4 + 40 + 10 + 10);
      expect(moved()).toBe(10);
      expect(blocks[4].start).toBe(40 + 4 + 40 + 4 + 10 + 4 + 10 + 4);
    });

    it("grows a block by moving the fewest rows around it", () => {
      const { rows, blocks, moved } = scattered([10, 40, 40, 10]);
      expect(rows.fits(8, blocks[0])).toBe(true);
      expect(rows.fits(48, blocks[2])).toBe(false);
      expect(rows.grow(blocks[2], 48)).toBe(true);
      expect(moved()).toBe(5);
      expect(blocks.map(({ start }) => start)).toEqual([0, 14, 58, 106]);
    });
  });
});

describe("PrefixCache", () => {
  function cacheOf(most?: number) {
    const freed: Block[] = [];
    const cache = new PrefixCache((block) => freed.push(block), most);
    const keep = (tokens: number[]) => {
      const block = { start: 0, capacity: tokens.length, used: tokens.length, repeatable: 0 };
      cache.keep({ tokens, block });
      return block;
    };
    return { cache, freed, keep };
  }

  it("finds the entry that shares the longest beginning", () => {
    const { cache, keep } = cacheOf();
    keep([1, 2, 3, 4]);
    keep([1, 2, 5]);
    keep([7]);
    const shared = (tokens: number[], length = tokens.length) => cache.longest({ tokens }, length).shared;
    expect(shared([1, 2, 3, 9])).toBe(3);
    expect(shared([1, 2, 5, 6])).toBe(3);
    expect(shared([1, 2, 3, 4, 5])).toBe(4);
    expect(shared([1, 2, 3, 4], 2)).toBe(2);
    expect(shared([8])).toBe(0);
    expect(cache.rows).toBe(8);
  });

  it("lets go of an entry that another continues, and of a new one that stands there already", () => {
    const { cache, freed, keep } = cacheOf();
    const short = keep([1, 2]);
    keep([1, 2, 3]);
    expect(freed).toEqual([short]);
    const again = keep([1, 2, 3]);
    expect(freed).toEqual([short, again]);
    expect(cache.rows).toBe(3);
  });

  it("evicts what was used least recently", () => {
    const { cache, freed, keep } = cacheOf(3);
    const blocks = [keep([1]), keep([2]), keep([3])];
    cache.touch(cache.longest({ tokens: [1] }, 1).entry!);
    expect(cache.evict()).toBe(true);
    expect(freed).toEqual([blocks[1]]);
    keep([4]);
    keep([5]);
    expect(freed).toEqual([blocks[1], blocks[2]]);
    expect(cache.evict(cache.longest({ tokens: [1] }, 1).entry)).toBe(true);
    expect(freed).toHaveLength(3);
    expect(cache.longest({ tokens: [1] }, 1).shared).toBe(1);
    while (cache.evict());
    expect(cache.rows).toBe(0);
  });

  it("says the same as comparing with every entry", () => {
    const tokens = fc.array(fc.nat(2), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(fc.array(tokens, { maxLength: 12 }), tokens, (entries, wanted) => {
        const { cache, keep } = cacheOf();
        for (const entry of entries) keep(entry);
        const common = (entry: number[]) => {
          const differs = wanted.findIndex((token, i) => entry[i] !== token);
          return differs < 0 ? wanted.length : differs;
        };
        expect(cache.longest({ tokens: wanted }, wanted.length).shared).toBe(Math.max(0, ...entries.map(common)));
      }),
      { seed: 6, numRuns: 500 },
    );
  });
});
