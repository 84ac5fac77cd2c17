/** The look of the report card and of the live page. Colours have names; dark and print give them other values. */

const LIGHT = `--ink:#14202b;--paper:#fbfcfd;--card:#fff;--quiet:#566674;--line:#d9e1e8;--stripe:#0b6e8f0d;
--t1:#0b6e8f;--t2:#c9562b;--t3:#7a52b3;--t4:#4a7a2c;--good:#1d7a4c;
--h0:#14202b;--h1:#1f5fa8;--h2:#5b93cf;--h3:#9dc1e3;--h4:#cfe0ee;--h5:#eceff1;--h6:#f8d9c4;--h7:#f0ab83;--h8:#dd7040;--h9:#b3381b`;
const DARK = `--ink:#e6edf3;--paper:#0e1620;--card:#131e2a;--quiet:#9aabba;--line:#263545;--stripe:#4fb3d312;
--t1:#4fb3d3;--t2:#ff9466;--t3:#b79aea;--t4:#94c973;--good:#5fcf96;
--h0:#f5f7f9;--h1:#6fb1ff;--h2:#4684c9;--h3:#2f5d90;--h4:#24415f;--h5:#212d39;--h6:#553a30;--h7:#8d4d33;--h8:#cf6a3d;--h9:#ff9466`;

const COLOURS = `:root{color-scheme:light dark;${LIGHT}}
@media(prefers-color-scheme:dark){:root{${DARK}}}`;

/** Colours and lines of charts, also for a chart that is a picture of its own. */
export const CHART_STYLE = `${COLOURS}
.area{overflow:hidden}
.line,.grid,.cursor{fill:none;vector-effect:non-scaling-stroke}.line{stroke-width:1.8;stroke-linejoin:round}.grid{stroke:var(--line);stroke-width:1}.cursor{stroke:var(--quiet);stroke-width:1}
.line.t1{stroke:var(--t1)}.line.t2{stroke:var(--t2)}.line.t3{stroke:var(--t3)}.line.t4{stroke:var(--t4)}
.band{opacity:.2}.band.t1,.end.t1{fill:var(--t1)}.band.t2,.end.t2{fill:var(--t2)}.band.t3,.end.t3{fill:var(--t3)}.band.t4,.end.t4{fill:var(--t4)}
.stripe{fill:var(--stripe)}.tick,.stage{font-size:11px;fill:var(--quiet);font-variant-numeric:tabular-nums}
.tick{paint-order:stroke;stroke:var(--paper);stroke-width:3px;stroke-linejoin:round}.stage{font-weight:600;paint-order:stroke;stroke:var(--paper);stroke-width:3px}.mid{text-anchor:middle}.last{text-anchor:end}
${Array.from({ length: 10 }, (_, i) => `path.h${i}{fill:var(--h${i})}i.h${i}{background:var(--h${i})}`).join("")}`;

export const STYLE = `${CHART_STYLE}
@media print{:root{color-scheme:light;${LIGHT}}body{max-width:none;margin:0;font-size:11pt}section,figure,.tile,blockquote{break-inside:avoid}details>*{display:block}.tip{display:none}}
*{box-sizing:border-box}
body{font:16px/1.55 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:60rem;margin:2.5rem auto;padding:0 1.25rem}
h1{font-size:clamp(2rem,6vw,3rem);line-height:1.1;margin:.2rem 0 .6rem;letter-spacing:-.02em;overflow-wrap:anywhere}
h2{margin:3rem 0 .8rem;font-size:1.3rem;letter-spacing:-.01em}h3{margin:1.4rem 0 .4rem;font-size:.95rem}
.lead{font-size:1.1rem;max-width:44rem;margin:.4rem 0 1rem}.quiet,small{color:var(--quiet)}.quiet{font-size:.9rem}
.eyebrow{color:var(--quiet);font-size:.9rem;margin:0}
.state{display:inline-block;padding:0 .6rem;margin-left:.4rem;border:1px solid currentColor;border-radius:1rem;font-size:.8rem}
.state.finished{color:var(--good)}.state.running{color:var(--t1)}.state.stopped{color:var(--t2)}
.progress{display:block;margin:.5rem 0 1.5rem}.progress .all{fill:var(--line)}.progress .done{fill:var(--t1)}
.tiles{display:grid;grid-template-columns:repeat(4,1fr);gap:.8rem;margin:1.5rem 0}
.tile{background:var(--card);border:1px solid var(--line);border-radius:.7rem;padding:.8rem 1rem}
.tile dt{color:var(--quiet);font-size:.85rem}.tile dd{margin:0;font-size:1.7rem;line-height:1.25;font-weight:600;letter-spacing:-.02em;font-variant-numeric:tabular-nums;white-space:nowrap}
.tile p{margin:.1rem 0 0;color:var(--quiet);font-size:.85rem;line-height:1.35}.tile small{font-size:.6em;font-weight:400}
.tile.first dd{color:var(--t1)}
.versus{border-left:4px solid var(--t1);padding:.2rem 0 .2rem 1rem;font-size:1.1rem;margin:1.5rem 0}
.chart{margin:1.2rem 0}figcaption{display:flex;flex-wrap:wrap;gap:.2rem 1rem;align-items:baseline;font-size:.95rem;font-weight:600;margin-bottom:.3rem}
.key{font-weight:400;font-size:.85rem;color:var(--quiet)}.key b{color:var(--ink);font-variant-numeric:tabular-nums}.key i{display:inline-block;width:.9rem;height:.2rem;border-radius:.1rem;vertical-align:middle;margin-right:.35rem}
i.t1{background:var(--t1)}i.t2{background:var(--t2)}i.t3{background:var(--t3)}i.t4{background:var(--t4)}
svg{display:block;width:100%;overflow:visible}.plot{width:calc(100% - 3.2rem);margin-left:3.2rem}.heat{width:calc(100% - 4rem);margin-left:4rem}
.versus b{white-space:nowrap}.plot{touch-action:pan-y;cursor:crosshair;border-bottom:0}.plot:focus-visible{outline:2px solid var(--t1);outline-offset:4px}
.legend{display:flex;flex-wrap:wrap;gap:.3rem .9rem;font-size:.8rem;color:var(--quiet)}.legend i{display:inline-block;width:1rem;height:.8rem;margin-right:.3rem;vertical-align:-1px;border-radius:2px}
.spark{width:7rem;height:1.2rem;display:inline-block;vertical-align:middle}
.grid2{display:grid;grid-template-columns:1fr 1fr;gap:0 2rem}
.scroll{overflow-x:auto;margin:1rem 0}table{border-collapse:collapse;width:100%;font-size:.92rem;font-variant-numeric:tabular-nums}
th,td{text-align:right;padding:.35rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}thead th{color:var(--quiet);font-weight:400;font-size:.85rem}
th:first-child{text-align:left;padding-left:0}tbody th{font-weight:400}td{white-space:nowrap}table.wide td:last-child,table.text td{white-space:normal}table.wide td:last-child,table.text td,table.text th{text-align:left}table.wide tbody th,table.text tbody th{color:var(--quiet);white-space:nowrap}
details{border-bottom:1px solid var(--line);padding:.5rem 0}summary{cursor:pointer}
blockquote{margin:.8rem 0;padding:.6rem 1rem;background:var(--card);border:1px solid var(--line);border-radius:.7rem}blockquote p{margin:.2rem 0}.text{white-space:pre-wrap;overflow-wrap:anywhere}
ul{padding-left:1.2rem}footer{margin:3rem 0 1rem;color:var(--quiet);font-size:.85rem}
.tip{position:fixed;z-index:2;pointer-events:none;background:var(--ink);color:var(--paper);border-radius:.5rem;padding:.4rem .6rem;font-size:.8rem;line-height:1.4;max-width:18rem;font-variant-numeric:tabular-nums}.tip[hidden]{display:none}
@media(max-width:46rem){.tiles{grid-template-columns:1fr 1fr;gap:.5rem}}@media(max-width:34rem){.spark{width:4rem}.tile{padding:.6rem .7rem}.tile dd{font-size:1.35rem}body{margin-top:1.2rem;padding:0 1rem}.grid2{grid-template-columns:1fr}}`;
