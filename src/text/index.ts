/** Text: byte-level BPE (train, encode, decode, stream) and chat templates. */
export {
  applyChatTemplate,
  type ChatMessage,
  type ChatOptions,
  DEEPSEEK_TEMPLATE,
  encodeChat,
  renderTemplate,
  TEMPLATE_LIMITS,
} from "./chat-template.ts";
export { type EncodeOptions, StreamDecoder, Tokenizer } from "./tokenizer.ts";
export { loadTokenizer, parseTokenizer, saveTokenizer, TOKENIZER_LIMITS, tokenizerToJson } from "./tokenizer-file.ts";
export { ASSISTANT, BOS, EOS, PAD, type TrainBpeOptions, trainBpe, USER } from "./train-bpe.ts";
