/**
 * What the pointer (or, on a chart in focus, the arrow keys) shows. The texts stand ready in the charts' attributes, so the script only finds the place.
 * It listens on the document: charts may be replaced at any time.
 */
export const HOVER_SCRIPT = `(() => {
const tip = document.createElement("div");
tip.className = "tip"; tip.hidden = true; tip.setAttribute("role", "status");
document.body.append(tip);
const cache = new WeakMap();
// Texts of a chart come as one string each, parted by "|".
const read = (chart) => chart.head ? { x: chart.x, head: chart.head.split("|"), rows: chart.rows.map((row) => ({ ...row, text: row.text.split("|") })) } : chart;
const data = (node, name) => {
  if (!cache.has(node)) cache.set(node, read(JSON.parse(node.dataset[name])));
  return cache.get(node);
};
let cursor = null;
// The chart whose tip the keys asked for, if they did; where the pointer was last.
let keyed = null, at = null;
const clear = () => { tip.hidden = true; cursor?.remove(); cursor = null; };
const hide = () => { clear(); keyed = null; };
const show = (lines, x, y) => {
  tip.replaceChildren(...lines.flatMap((line, i) => i ? [document.createElement("br"), line] : [line]));
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  tip.style.left = Math.max(4, x + 14 + box.width > innerWidth ? x - 14 - box.width : x + 14) + "px";
  tip.style.top = Math.max(4, Math.min(innerHeight - box.height - 4, y - box.height / 2)) + "px";
};
const chart = (svg, at) => {
  const { x, head, rows } = data(svg, "hover");
  let low = 0, high = x.length - 1;
  while (high - low > 1) { const mid = (low + high) >> 1; if (x[mid] < at) low = mid; else high = mid; }
  const i = at - x[low] < x[high] - at ? low : high;
  svg.dataset.at = x[i];
  clear();
  cursor = document.createElementNS("http://www.w3.org/2000/svg", "g");
  const add = (name, attributes) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    cursor.append(node);
  };
  add("line", { class: "cursor", x1: x[i] * 100 + "%", x2: x[i] * 100 + "%", y1: 0, y2: svg.height.baseVal.value - 20 });
  const texts = [head[i]];
  for (const row of rows) {
    if (row.y[i] === null) continue;
    add("circle", { class: "end t" + row.tone, cx: x[i] * 100 + "%", cy: row.y[i], r: 4 });
    texts.push((rows.length > 1 ? row.name + " " : "") + row.text[i]);
  }
  svg.append(cursor);
  const box = svg.getBoundingClientRect();
  show(texts, box.left + x[i] * box.width, box.top + 40);
};
const heat = (svg, event) => {
  const { rows, columns } = data(svg, "heat");
  const box = svg.getBoundingClientRect();
  const row = rows[Math.floor((event.clientY - box.top) / box.height * rows.length)];
  const i = Math.floor((event.clientX - box.left) / box.width * columns.length);
  hide();
  if (row && row.values[i] !== undefined) show([row.name + " · " + columns[i], row.values[i] + " × the mean"], event.clientX, event.clientY);
};
const move = (event) => {
  // Under a pointer at rest, a page that scrolls reports a move too: that takes no tip from the keys.
  if (keyed && event.clientX === at?.clientX && event.clientY === at.clientY) return;
  at = event;
  keyed = null;
  const svg = event.target.closest?.("[data-hover],[data-heat]");
  if (!svg) return hide();
  if (svg.dataset.heat) return heat(svg, event);
  const box = svg.getBoundingClientRect();
  chart(svg, (event.clientX - box.left) / box.width);
};
document.addEventListener("pointermove", move);
// The live page has put new charts in place of the old.
document.addEventListener("replaced", () => {
  if (tip.hidden) return;
  if (!at) return hide();
  keyed = null;
  const { clientX, clientY } = at;
  move({ target: document.elementFromPoint(clientX, clientY) ?? document.body, clientX, clientY });
});
document.addEventListener("pointerdown", move);
// A chart that gets the focus may be scrolled to after the key that follows: its tip goes with it.
document.addEventListener("scroll", () => keyed ? chart(keyed, Number(keyed.dataset.at)) : hide(), { passive: true });
document.addEventListener("keydown", (event) => {
  const svg = document.activeElement;
  const by = { ArrowLeft: -0.01, ArrowRight: 0.01, Home: -1, End: 1 }[event.key];
  if (event.key === "Escape") hide();
  if (!by || !svg?.dataset?.hover) return;
  event.preventDefault();
  const { x } = data(svg, "hover");
  const before = Number(svg.dataset.at ?? 1);
  keyed = svg;
  chart(svg, Math.min(1, Math.max(0, before + Math.sign(by) * Math.max(Math.abs(by), 1.01 / x.length))));
});
})();`;
