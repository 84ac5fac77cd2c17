/**
 * The live page's own script: each event brings the parts of the page that have changed, ready made, so nothing is kept here that could fall out of step. The
 * browser reconnects by itself, and a fresh connection begins with every part.
 */
export const LIVE_SCRIPT = `(() => {
const status = document.getElementById("status");
let written = null, received = 0, age = 0, connected = false;
const ago = (ms) => { const s = Math.round(ms / 1000); return s < 100 ? s + " s" : s < 6000 ? Math.round(s / 60) + " min" : Math.round(s / 3600) + " h"; };
const tell = () => {
  const now = performance.now() - received + age;
  status.textContent = !connected ? "connection lost, trying again …" : written === null ? "waiting for the first step …" : "connected · last line " + ago(now) + " ago";
  status.className = connected ? "on" : "off";
};
const connect = () => {
  const source = new EventSource("events");
  source.addEventListener("view", (event) => {
    const view = JSON.parse(event.data);
    connected = true; written = view.writtenAt; age = view.now - view.writtenAt; received = performance.now();
    document.title = view.title;
    for (const [id, html] of Object.entries(view.parts)) document.getElementById(id).innerHTML = html;
    document.dispatchEvent(new Event("replaced"));
    tell();
  });
  source.onerror = () => {
    connected = false; tell();
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, 2000);
  };
};
setInterval(tell, 1000);
connect();
})();`;
