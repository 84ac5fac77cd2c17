"""Writes what Hugging Face's tokenizers and transformers (Python) make of hard strings and of chats, for tokenizers that Shoal wrote.

usage: make_tokenizer_goldens.py OUT.json NAME=FOLDER…       (deepseek-v3=FOLDER: ids by tokenizers alone)

Of each folder: ids of the special tokens, ids of each string without them, ids of a plain text with what goes in front of it,
and chats by the folder's template as text and as ids.
"""
import json, os, random, sys
from tokenizers import Tokenizer
from transformers import AutoTokenizer

PIECES = ["The fish", " swims", "don't", "I'LL", "it’s", "naïve café", "Straße", "İ", "Ελληνικά", "Привет, мир!", "你好，世界。", "日本語のテキスト", "カタカナ",
          "한국어", "ไทย", "עברית", "العربية", "हिन्दी", "🐟", "👩‍👩‍👧", "e\u0301", "①②", "½¾²", "٣٤٥", "1234567", "3.14", "1,000", "0x1F", "\ufeff", "\u0085", "\u200b",
          "\u00a0", "\u3000", "\u2028", "\u1680", "\u180e", "\u202f", "\u205f", "\v", "\f", "\x1c", "\x1f", "\0", "\x7f", " ", "  ", "   ", "\t", "\n", "\n\n", "\r\n", " \n ", "\r",
          "const f = (x) => x ** 2;", "</div>", "// c", "/* y */", "#include", "__init__", "a@b.example", "C:\\temp", "$x_{1}^2$", "...", "?!", "—", "“q”", "«»", "(", "]", "~", "`",
          "<｜begin▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>", "<think>", "</think>", "<|im_start|>", "<｜", "▁", "A1b2", "IPv6", "x_y", "ſ", "ǅ", "ª", "ʰ", "\u0345"]
CHATS = [
    [{"role": "user", "content": "Hello"}],
    [{"role": "system", "content": "Be kind."}, {"role": "user", "content": " 1 + 1?\n"}, {"role": "assistant", "content": "2"}, {"role": "user", "content": "Und \u0085 2 + 2?"}],
    [{"role": "user", "content": ""}, {"role": "assistant", "content": "é\ufeff"}, {"role": "user", "content": "你好"}],
]

def strings(count):
    rng = random.Random(16)
    yield from PIECES
    yield from ["é \u0085", "a \ufeff b", "a\u0085b", "\u0085\u0085a", " \u0085 \n", "\ufeffa"]
    for _ in range(count - len(PIECES) - 6):
        text = ""
        for _ in range(rng.randint(1, 7)):
            text += rng.choice(PIECES) + (" " if rng.random() < 0.3 else "")
            if rng.random() < 0.2: text += chr(rng.choice([rng.randrange(0x20, 0x3000), rng.randrange(0x80, 0x100)]))
        yield text

texts = list(strings(360))
golden = {"texts": texts, "chats": CHATS, "tokenizers": {}}
for argument in sys.argv[2:]:
    name, folder = argument.split("=")
    fast = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
    of = {"ids": [fast.encode(text, add_special_tokens=False).ids for text in texts]}
    if name != "deepseek-v3":
        auto = AutoTokenizer.from_pretrained(folder)
        marks = ["<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜▁pad▁｜>", "<｜User｜>", "<｜Assistant｜>"]
        of["specials"] = {mark: auto.convert_tokens_to_ids(mark) for mark in marks}
        of["named"] = {"bos": auto.bos_token_id, "eos": auto.eos_token_id}
        of["plain"] = auto("Hi there").input_ids
        of["size"] = len(auto)
        of["chats"] = [[{"text": auto.apply_chat_template(chat, tokenize=False, add_generation_prompt=go),
                         "ids": auto.apply_chat_template(chat, add_generation_prompt=go, return_dict=False)} for go in (False, True)] for chat in CHATS]
        assert [auto(text, add_special_tokens=False).input_ids for text in texts] == of["ids"]
    golden["tokenizers"][name] = of
json.dump(golden, open(sys.argv[1], "w"), ensure_ascii=True, separators=(",", ":"))
