/** Work that yields to input: at most a few milliseconds at a time on the page's thread. */
const SLICE_MS = 8;

let sliceEnd = 0;

/** Resolves at once while the present slice lasts, otherwise after the page had a chance to react and to paint. */
export async function breathe(): Promise<void> {
  if (performance.now() < sliceEnd) return;
  await new Promise<void>((resolve) => {
    // Frames stop in a page that is not seen; a timer does not.
    const timer = setTimeout(done, 120);
    const frame = requestAnimationFrame(done);
    function done(): void {
      clearTimeout(timer);
      cancelAnimationFrame(frame);
      setTimeout(resolve);
    }
  });
  sliceEnd = performance.now() + SLICE_MS;
}
