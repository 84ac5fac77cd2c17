/** A whole page: one document with its style and scripts inside, and a policy that lets it load and run nothing else. */
import { createHash } from "node:crypto";
import { html, Markup } from "./markup.ts";

export interface Page {
  title: string;
  body: Markup;
  style: string;
  script: string;
  /** The page may speak to the server that it came from. */
  live?: boolean;
}

const hashOf = (text: string): string => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;

/** What the page may do: its own style, its own script, and, if it is live, requests to its server. */
export function policyOf({ style, script, live = false }: Pick<Page, "style" | "script" | "live">): string {
  const connect = live ? " connect-src 'self';" : "";
  return `default-src 'none'; style-src ${hashOf(style)}; script-src ${hashOf(script)};${connect} base-uri 'none'; form-action 'none'`;
}

export function documentOf({ title, body, style, script, live }: Page): string {
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${policyOf({ style, script, live })}"><title>${title}</title><style>${new Markup(style)}</style></head>
<body>${body}<script>${new Markup(script)}</script></body></html>
`.text;
}
