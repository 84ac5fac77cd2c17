/** Several generations for one request, as they come. */

/** Runs generations side by side and passes on what each gives with its place. When one fails or the reader leaves, the others are left too. */
export async function* merged<Event>(
  starts: readonly ((signal: AbortSignal) => AsyncIterable<Event>)[],
  signal: AbortSignal,
): AsyncGenerator<{ index: number; event: Event }> {
  const own = new AbortController();
  const both = AbortSignal.any([signal, own.signal]);
  const iterators = starts.map((start) => start(both)[Symbol.asyncIterator]());
  const step = (index: number) => iterators[index].next().then((next) => ({ index, next }));
  const running = new Map(iterators.map((_, index) => [index, step(index)]));
  try {
    while (running.size > 0) {
      const { index, next } = await Promise.race(running.values());
      if (next.done) running.delete(index);
      else {
        running.set(index, step(index));
        yield { index, event: next.value };
      }
    }
  } finally {
    own.abort();
    for (const rest of running.values()) rest.catch(() => {});
    await Promise.allSettled(iterators.map((iterator) => iterator.return?.()));
  }
}
