/** A server that speaks the Hub's protocol for models, and misbehaves as it is told. */
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface FakeRepository {
  commit: string;
  /** Path → bytes. */
  files: Record<string, Buffer>;
  /** Needs this token. */
  token?: string;
}

export interface Seen {
  path: string;
  range: string | undefined;
  authorization: string | undefined;
  host: string | undefined;
}

/** What is done with a request for a file in place of the right answer; false: answer rightly. */
export type Misbehaviour = (request: IncomingMessage, response: ServerResponse, bytes: Buffer) => boolean;

export interface FakeHub {
  url: string;
  repositories: Record<string, FakeRepository>;
  requests: Seen[];
  /** Set by a test. */
  misbehave: Misbehaviour;
  /** Redirect large files to this address in place of sending them. */
  redirectTo: string | null;
  close: () => Promise<void>;
}

export const LARGE = 1000;

export const sha256 = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");
export const gitSha1 = (bytes: Buffer): string =>
  createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");

/** Large files are in large storage, as weights are; small ones in git. */
export const etagOf = (bytes: Buffer): string => (bytes.length >= LARGE ? sha256(bytes) : gitSha1(bytes));

export async function startFakeHub(): Promise<FakeHub> {
  const hub: FakeHub = {
    url: "",
    repositories: {},
    requests: [],
    misbehave: () => false,
    redirectTo: null,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url!, "http://x").pathname);
    const { range, authorization, host } = request.headers;
    hub.requests.push({ path, range, authorization, host });
    const info = /^\/api\/models\/([^/]+\/[^/]+)\/revision\/(.+)$/.exec(path);
    const file = /^\/([^/]+\/[^/]+)\/resolve\/([^/]+)\/(.+)$/.exec(path);
    const cdn = /^\/cdn\/(\w+)$/.exec(path);
    if (info) return sendInfo(hub, info[1], info[2], authorization, response);
    const bytes = cdn
      ? Object.values(hub.repositories)
          .flatMap(({ files }) => Object.values(files))
          .find((candidate) => sha256(candidate) === cdn[1])
      : file && hub.repositories[file[1]]?.files[file[3]];
    if (!bytes) return void response.writeHead(404).end();
    if (!cdn && hub.redirectTo !== null && bytes.length >= LARGE)
      return void response.writeHead(302, { location: `${hub.redirectTo}/cdn/${sha256(bytes)}` }).end();
    if (!hub.misbehave(request, response, bytes)) sendFile(bytes, range, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  hub.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return hub;
}

function sendInfo(
  hub: FakeHub,
  name: string,
  revision: string,
  authorization: string | undefined,
  response: ServerResponse,
): void {
  const repository = hub.repositories[name];
  if (!repository || (revision !== "main" && revision !== repository.commit)) return void response.writeHead(404).end();
  if (repository.token !== undefined && authorization !== `Bearer ${repository.token}`)
    return void response.writeHead(401).end("{}");
  const siblings = Object.entries(repository.files).map(([rfilename, bytes]) => ({
    rfilename,
    size: bytes.length,
    blobId: gitSha1(bytes),
    ...(bytes.length >= LARGE && { lfs: { sha256: sha256(bytes), size: bytes.length, pointerSize: 134 } }),
  }));
  response
    .writeHead(200, { "content-type": "application/json" })
    .end(JSON.stringify({ sha: repository.commit, siblings }));
}

export function sendFile(bytes: Buffer, range: string | undefined, response: ServerResponse): void {
  const from = Number(/^bytes=(\d+)-$/.exec(range ?? "")?.[1] ?? 0);
  if (from >= bytes.length && from > 0) return void response.writeHead(416).end();
  const part = bytes.subarray(from);
  const head = { "content-length": String(part.length) };
  if (range === undefined) response.writeHead(200, head).end(part);
  else
    response
      .writeHead(206, { ...head, "content-range": `bytes ${from}-${bytes.length - 1}/${bytes.length}` })
      .end(part);
}
