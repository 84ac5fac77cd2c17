/** Text: byte-level BPE (train, encode, decode, stream) and chat templates. */
export {
  applyChatTemplate,
  type ChatMessage,
  type ChatOptions,
  DEEPSEEK_TEMPLATE,
  type EncodedChat,
} from "./chat/chat-template.ts";
export { encodeChat, templateOf } from "./chat/encode-chat.ts";
export { heldBack } from "./chat/held-back.ts";
export { TEMPLATE_LIMITS } from "./chat/jinja.ts";
export { encodeTemplate, renderTemplate } from "./chat/jinja-template.ts";
export { type ReplyForm, ReplyParser, type ReplyPart } from "./chat/reply-parser.ts";
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
} from "./chat/tool-format.ts";
export { type EncodeOptions, StreamDecoder, Tokenizer, type TokenizerParts } from "./tokenizer/tokenizer.ts";
export {
  loadTokenizer,
  parseTokenizer,
  saveTokenizer,
  TOKENIZER_LIMITS,
  tokenizerFiles,
  tokenizerToJson,
} from "./tokenizer/tokenizer-file.ts";
export { ASSISTANT, BOS, EOS, PAD, type TrainBpeOptions, trainBpe, USER } from "./tokenizer/train-bpe.ts";
