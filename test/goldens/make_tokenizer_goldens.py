"""Writes what Hugging Face's tokenizers and transformers (Python) make of hard strings and of chats, for tokenizers that Shoal wrote.

usage: make_tokenizer_goldens.py OUT.json NAME=FOLDER…       (deepseek-v3=FOLDER: ids by tokenizers alone)

With NAME=FOLDER of minnow, also templates of other forms as transformers renders them, with the masks that {% generation %} gives.
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

CHATML = "{%- for m in messages %}\n    {{- '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}\n{%- endfor %}\n{%- if add_generation_prompt %}\n    {{- '<|im_start|>assistant\\n' }}\n{%- endif %}"
MARKED = """{{ bos_token }}
{% for m in messages %}
    {% if m['role'] == 'assistant' %}
A: {% generation %}
{{ m['content'] }}{{ eos_token }}{% endgeneration %}

    {% else %}
{{ m['role'] | upper }}: {{ m['content'] | trim }}
    {% endif %}
{% endfor %}
{%- if add_generation_prompt %}A: {% endif %}"""
DASHED = "{%- for m in messages -%}\n  {%- if m.role == 'assistant' -%}\n    {{- '<A>' -}}{%- generation -%}  {{- m.content -}}\n</s>  {%- endgeneration -%}\n  {%- else -%} [{{ m.content }}] {%- endif -%}\n{%- endfor -%}"
THINK = "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}{{ '<|user|>' + m.content }}{% elif m.role == 'assistant' %}{% set c = m.content %}{% if '</think>' in c %}{% set c = c.split('</think>')[-1] %}{% endif %}{{ '<|assistant|>' + c + eos_token }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|><think>\\n' }}{% endif %}"
TOOLS = "{%- if tools is not none and tools | length > 0 %}TOOLS\n{%- for t in tools %}\n{{ t | tojson }}\n{%- endfor %}\n{%- elif tools is defined %}no tools\n{%- endif %}\n{%- set ns = namespace(n=0) %}\n{%- for m in messages %}\n{%- set ns.n = ns.n + 1 %}\n{{- ns.n ~ '. ' }}{{ m.content if m.content is string else 'null' }}{% if m.tool_calls is defined %}{% for c in m.tool_calls %}<call>{{ c.function.name }} {{ c.function.arguments | tojson }}</call>{% endfor %}{% endif %}{% if not loop.last %}, {% endif %}\n{%- endfor %}{{ 'none' if documents is none }}{{ 'unk' if unk_token is defined }}{{ pad_token }}"
TEMPLATES = {"chatml": CHATML, "marked": MARKED, "dashed": DASHED, "thinking": THINK, "tools": TOOLS}
TOOL = {"type": "function", "function": {"name": "add", "description": "Adds <numbers>.", "parameters": {"type": "object", "properties": {"a": {"type": "number"}}}}}

def template_cases(auto):
    for name, template in TEMPLATES.items():
        cases = []
        for i, chat in enumerate(CHATS):
            chat = [dict(m) for m in chat]
            if name == "tools" and i == 1:
                chat[2]["tool_calls"] = [{"type": "function", "function": {"name": "add", "arguments": {"a": 1, "b": [True, None, "é"]}}}]
            for go in (False, True):
                for tools in ([None, [TOOL]] if name == "tools" else [None]):
                    options = dict(chat_template=template, add_generation_prompt=go, tools=tools)
                    case = {"chat": chat, "go": go, "tools": tools is not None, "text": auto.apply_chat_template(chat, tokenize=False, **options)}
                    if "generation %}" in template or "generation -%}" in template:
                        made = auto.apply_chat_template(chat, return_dict=True, return_assistant_tokens_mask=True, **options)
                        case["ids"], case["mask"] = made["input_ids"], made["assistant_masks"]
                    cases.append(case)
        yield {"name": name, "template": template, "cases": cases}

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
        if name == "minnow": golden["templates"] = list(template_cases(auto))
        assert [auto(text, add_special_tokens=False).input_ids for text in texts] == of["ids"]
    golden["tokenizers"][name] = of
json.dump(golden, open(sys.argv[1], "w"), ensure_ascii=True, separators=(",", ":"))
