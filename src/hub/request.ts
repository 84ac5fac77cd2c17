/** Requests to the hub: one address, the token for that address alone, redirects followed by hand, failures in one line. */
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { InputError } from "../base/index.ts";

const MAX_REDIRECTS = 10;

/** HF_ENDPOINT, for mirrors. */
export const hubUrl = (): string => (process.env.HF_ENDPOINT ?? "https://huggingface.co").replace(/\/+$/, "");

/** Whether only what is here already may be used: HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE. */
export const isOffline = (): boolean =>
  [process.env.HF_HUB_OFFLINE, process.env.TRANSFORMERS_OFFLINE].some((value) =>
    /^(1|true|yes|on)$/i.test(value ?? ""),
  );

/** Where Hugging Face's programs keep what is theirs: HF_HOME, else ~/.cache/huggingface. */
export const hubHome = (env: NodeJS.ProcessEnv = process.env): string =>
  env.HF_HOME ?? join(env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "huggingface");

/** HF_TOKEN, else what `hf auth login` has written. */
export function hubToken(): string | null {
  const given = process.env.HF_TOKEN ?? process.env.HUGGING_FACE_HUB_TOKEN;
  if (given?.trim()) return given.trim();
  const file = process.env.HF_TOKEN_PATH ?? join(hubHome(), "token");
  return (existsSync(file) && readFileSync(file, "utf8").trim()) || null;
}

/** A GET that follows redirects; the token goes to the hub's own host and to no other. @throws InputError where no answer comes */
export async function ask(
  where: string,
  url: string,
  headers: Record<string, string>,
  signal?: AbortSignal,
): Promise<Response> {
  const token = hubToken();
  let next = url;
  for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
    const own = new URL(next).host === new URL(hubUrl()).host;
    let response: Response;
    try {
      response = await fetch(next, {
        headers: { ...headers, ...(token && own && { authorization: `Bearer ${token}` }) },
        redirect: "manual",
        signal,
      });
    } catch (error) {
      signal?.throwIfAborted();
      const { cause, message } = error as Error & { cause?: NodeJS.ErrnoException };
      throw new Unreachable(
        `${where}: ${new URL(next).host} cannot be reached (${cause?.code ?? message}); check the network, or set HF_ENDPOINT to a mirror`,
      );
    }
    const location = response.headers.get("location");
    if (response.status < 300 || response.status > 399 || location === null) return response;
    await response.body?.cancel();
    next = new URL(location, next).href;
    if (!/^https?:/.test(next))
      throw new InputError(`${where}: the hub redirects to ${next.slice(0, 60)}, which is no web address`);
  }
  throw new InputError(`${where}: the hub redirects in a circle`);
}

/** The network is at fault: worth another attempt. */
export class Unreachable extends InputError {}

/** An answer that is no success, in one line with what to do. */
export function refuse(where: string, { status, url }: Response): never {
  const host = new URL(url || hubUrl()).host;
  const token = hubToken() ? "the account of your token has" : "HF_TOKEN is not set, and without it you have";
  if (status === 401 || status === 403)
    throw new InputError(
      `${where}: ${token} no access to it, or it does not exist (${status}); access to gated ones is asked for on their page on ${host}`,
    );
  if (status === 404)
    throw new InputError(`${where}: there is no such thing on ${host} (404); check name and revision`);
  const later = status >= 500 || status === 429 ? "; try again later" : "";
  throw new InputError(`${where}: ${host} answered with ${status}${later}`);
}
