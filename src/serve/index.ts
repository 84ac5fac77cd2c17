/** HTTP: the OpenAI-compatible API, Ollama's, and the chat site, over one `Engine`. */
export { createServer, type Server, type ServerOptions } from "./app.ts";
export { dataFolder } from "./data-folder.ts";
export { ApiFailure } from "./errors.ts";
export { isLoopback } from "./guard.ts";
export { type Listening, type ListenOptions, serve } from "./listen.ts";
export { type Load, type LoadOptions, measureLoad } from "./load.ts";
export {
  benchServer,
  describeServerLoad,
  type ServerLoad,
  type ServerLoadOptions,
} from "./load-scenario.ts";
export type { LogForm } from "./request-log.ts";
export { joinEngines, type NamedEngine } from "./router.ts";
export { type Card, cardOf } from "./site/files.ts";
export { openStore } from "./store/sqlite.ts";
export type { Store } from "./store/store.ts";
export { createUpstream, type UpstreamOptions } from "./upstream.ts";
export { VERSION } from "./version.ts";
