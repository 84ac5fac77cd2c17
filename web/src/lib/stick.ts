/**
 * Keeps a scroller at its end while its content grows, until the reader scrolls away. Reacts to the content's size after layout and before
 * paint, so that nothing is measured while the text streams in.
 */
const NEAR_PX = 48;

export interface Stick {
  toEnd: (smooth?: boolean) => void;
  destroy: () => void;
}

export function stickToEnd(scroller: HTMLElement, content: HTMLElement, changed: (atEnd: boolean) => void): Stick {
  let stuck = true;
  let lastTop = 0;

  const distance = (): number => scroller.scrollHeight - scroller.clientHeight - scroller.scrollTop;
  const set = (value: boolean): void => {
    if (value === stuck) return;
    stuck = value;
    changed(stuck);
  };
  const onscroll = (): void => {
    const up = scroller.scrollTop < lastTop - 1;
    lastTop = scroller.scrollTop;
    if (distance() < NEAR_PX) set(true);
    else if (up) set(false);
  };
  // The wheel says what the reader wants before the scroll position does.
  const onwheel = (event: WheelEvent): void => {
    if (event.deltaY < 0 && scroller.scrollTop > 0 && scroller.scrollHeight > scroller.clientHeight) set(false);
  };
  const grown = new ResizeObserver(() => {
    if (!stuck) return;
    scroller.scrollTop = scroller.scrollHeight;
    lastTop = scroller.scrollTop;
  });

  grown.observe(content);
  grown.observe(scroller);
  scroller.addEventListener("scroll", onscroll, { passive: true });
  scroller.addEventListener("wheel", onwheel, { passive: true });
  return {
    toEnd(smooth = false) {
      set(true);
      scroller.scrollTo({ top: scroller.scrollHeight, behavior: smooth ? "smooth" : "instant" });
    },
    destroy() {
      grown.disconnect();
      scroller.removeEventListener("scroll", onscroll);
      scroller.removeEventListener("wheel", onwheel);
    },
  };
}
