/** A thread that encodes batches of documents, one after the other. */
import { parentPort, workerData } from "node:worker_threads";
import { parseTokenizer, Tokenizer } from "../../text/index.ts";
import type { Document } from "../documents/records.ts";
import { type EncoderData, encodeDocuments } from "./encode.ts";

const { json, rest } = workerData as EncoderData;
const tokenizer = new Tokenizer({ ...parseTokenizer(json, "tokenizer").parts, ...rest });

parentPort!.on("message", (documents: Document[]) => {
  const encoded = encodeDocuments(documents, tokenizer);
  parentPort!.postMessage(encoded, [encoded.tokens.buffer, encoded.mask.buffer, encoded.lengths.buffer]);
});
