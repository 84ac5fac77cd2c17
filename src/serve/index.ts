/** HTTP: the OpenAI-compatible API, Ollama's, and the chat site, over one `Engine`. */
export { createServer, type Server, type ServerOptions } from "./app.ts";
export { dataFolder } from "./data-folder.ts";
export { ApiFailure } from "./http/errors.ts";
export { isLoopback } from "./http/guard.ts";
export { type Listening, type ListenOptions, serve } from "./http/listen.ts";
export type { LogForm } from "./http/request-log.ts";
export { joinEngines, type NamedEngine } from "./router.ts";
export { type Card, cardOf } from "./site/files.ts";
export { openStore } from "./store/sqlite.ts";
export type { Store } from "./store/store.ts";
export { createUpstream, type UpstreamOptions } from "./upstream/upstream.ts";
export { VERSION } from "./version.ts";
