/** Tells elements when they come near the window, once: what is far away need not be rendered yet. One observer serves them all. */
const MARGIN_PX = 1200;
const waiting = new WeakMap<Element, () => void>();
let observer: IntersectionObserver | null = null;

function create(): IntersectionObserver {
  return new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) {
        if (!isIntersecting) continue;
        observer!.unobserve(target);
        waiting.get(target)?.();
        waiting.delete(target);
      }
    },
    { root: document.querySelector("[data-scroller]"), rootMargin: `${MARGIN_PX}px 0px` },
  );
}

/** @returns ends the wait */
export function whenNear(element: Element, run: () => void): () => void {
  // The scroller may have been made anew.
  if (observer?.root && !observer.root.isConnected) {
    observer.disconnect();
    observer = null;
  }
  observer ??= create();
  waiting.set(element, run);
  observer.observe(element);
  return () => {
    waiting.delete(element);
    observer?.unobserve(element);
  };
}
