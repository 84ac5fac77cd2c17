/** Text: byte-level BPE (train, encode, decode, stream) and chat templates. */
export {
  applyChatTemplate,
  type ChatMessage,
  type ChatOptions,
  DEEPSEEK_TEMPLATE,
  encodeChat,
} from "./chat-template.ts";
export { heldBack } from "./held-back.ts";
export { encodeTemplate, renderTemplate, TEMPLATE_LIMITS } from "./jinja-template.ts";
export { type ReplyForm, ReplyParser, type ReplyPart } from "./reply-parser.ts";
export { type EncodeOptions, StreamDecoder, Tokenizer } from "./tokenizer.ts";
export { loadTokenizer, parseTokenizer, saveTokenizer, TOKENIZER_LIMITS, tokenizerToJson } from "./tokenizer-file.ts";
export {
  CALL_BEGIN,
  CALL_END,
  CALL_SEPARATOR,
  CALLS_BEGIN,
  CALLS_END,
  type ChatTool,
  type ChatToolCall,
  THINK_BEGIN,
  THINK_END,
} from "./tool-format.ts";
export { ASSISTANT, BOS, EOS, PAD, type TrainBpeOptions, trainBpe, USER } from "./train-bpe.ts";
