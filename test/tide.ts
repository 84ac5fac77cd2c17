/** An OpenAI-compatible upstream that says a word every few milliseconds, and the end at once to whoever continues: a reply that surely still runs. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";

/** Listens on a free port of this computer; its model is called "tide". */
export async function startTide(): Promise<{ url: string; server: Server }> {
  const server = createServer(async (request, response) => {
    if (request.url?.endsWith("/models")) {
      response.end(JSON.stringify({ object: "list", data: [{ id: "tide", object: "model" }] }));
      return;
    }
    const { messages } = (await json(request)) as { messages: { role: string }[] };
    const goesOn = messages.at(-1)!.role === "assistant";
    const send = (content: string, finish_reason: string | null = null): void => {
      response.write(`data: ${JSON.stringify({ choices: [{ index: 0, delta: { content }, finish_reason }] })}\n\n`);
    };
    response.writeHead(200, { "content-type": "text/event-stream" });
    for (let wave = 1; wave < 500 && !goesOn && !response.destroyed; wave++) {
      send(`wave ${wave}, `);
      await new Promise((resolve) => setTimeout(resolve, 40));
    }
    send("the last wave", "stop");
    response.end("data: [DONE]\n\n");
  });
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server };
}
