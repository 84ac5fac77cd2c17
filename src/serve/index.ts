/** HTTP: the OpenAI-compatible API, Ollama's, and the chat site, over one `Engine`. */
export { createServer, type Server, type ServerOptions } from "./app.ts";
export { dataFolder } from "./data-folder.ts";
export { ApiFailure } from "./http/errors.ts";
export { isLoopback } from "./http/guard.ts";
export type { App } from "./http/http.ts";
export { type Listening, type ListenOptions, serve } from "./http/listen.ts";
export type { Metrics } from "./http/metrics.ts";
export type { LogForm } from "./http/request-log.ts";
export type { Replies } from "./replies/replies.ts";
export { joinEngines, type NamedEngine } from "./router.ts";
export { type Card, cardOf } from "./site/files.ts";
export { type OpenOptions, openStore } from "./store/sqlite.ts";
export type { Store } from "./store/store.ts";
export type { Timeouts } from "./upstream/request.ts";
export { createUpstream, type Upstream, type UpstreamOptions } from "./upstream/upstream.ts";
export { VERSION } from "./version.ts";
export type { Welcome } from "./wire.ts";
