#!/usr/bin/env python3
"""Writes tests/golden/tokenizer: 1,000 mixed lines and their token ids by PyPI `tokenizers`.

    pip install tokenizers gguf
    python tests/reference/make_tokens.py MODEL.gguf [tests/golden/tokenizer]

lines.txt   one text a line; \\\\, \\n, \\r and \\0 stand for backslash, line feed, return and NUL
<pre>.txt   the ids of that line with pre-tokenizer <pre> on the vocabulary of MODEL (SmolLM2);
            for gpt-2 and llama-bpe, "=" where they are those of smollm
"""

import pathlib
import random
import sys

import gguf
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

LINES = 1000

LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

FRAGMENTS = {
    "prose": [
        "The quick brown fox jumps over the lazy dog.",
        "To be, or not to be, that is the question:",
        "I don't think we'll know; they've said it's fine, I'm sure he'd agree, you're right.",
        "DON'T SHOUT, WE'LL HEAR, IT'S LOUD, I'M HERE, THEY'VE GONE, YOU'RE LATE, HE'D GO",
        "rock 'n' roll, 'tis, o'clock, the dogs' tails, ’s curly ’ll",
        "Pneumonoultramicroscopicsilicovolcanoconiosis", "state-of-the-art", "e.g. i.e. etc.",
        "“Quoted” ‘text’ — with dashes – and … dots", "I'\u017f odd, ch\u00e2teau's",
    ],
    "code": [
        "for (size_t i = 0; i < n; ++i) { sum += a[i] * b[i]; }",
        "def f(x: int) -> str:\n\treturn f'{x!r:>10}'", "if x == None:  # noqa: E711",
        "SELECT id, name FROM users WHERE age >= 21 AND name LIKE '%O''Brien%';",
        "<div class=\"a b\" id='c'>&nbsp;</div>", '{"key": [1, 2.5e-3, null, true], "k2": "v\\n"}',
        "grep -rn 'TODO' src/ | awk -F: '{print $1}' | sort -u > out.txt 2>&1",
        "std::vector<std::pair<int, double>> v{{1, 2.0}};", "a&&b||!c?d:e", "x=y**2//3%4@z<<1>>2^~w",
        "#include <vector>\r\n#include <map>\r\n", "\t\tif (ok)\n\t\t\treturn 0;\n", "__init__", "$PATH",
        "const λ = (x) => x?.y ?? 0;", "https://example.org/a/b?c=d&e=%20f#g", "user@example.org",
        "0xDEADBEEF 0b1010 0o777 1_000_000 1e-10f", "\\begin{equation}\\alpha_{i,j}^{2}\\end{equation}",
    ],
    "digits": [
        "1234567890", "3.14159", "1,000,000.00", "2024-02-30T12:34:56Z", "007", "1st 2nd 3rd 4th",
        "12345678901234567890123456789012345678901234567890", "x1y2z3", "v1.2.3-rc4", "50% off",
        "12 345 6789 01234 567890", "a1b22c333d4444e55555", "tel.0123456789;x=99999", "1234 5678\t9012\n345678",
        "½ ⅓ ¾ Ⅷ ⅷ ² ³ ⁴ ₅ ① ⑳ 〇 一二三", "٠١٢٣٤٥٦٧٨٩", "०१२३४५", "１２３４５", "𝟏𝟐𝟑", "𐄇𐄈", "+1 (555) 010-9999",
    ],
    "accents": [
        "Ça va très bien, naïve façade, œuvre", "Größe, Straße, Übermut, Äpfel", "El niño comió piñas, ¿qué?",
        "Příliš žluťoučký kůň úpěl ďábelské ódy", "Zażółć gęślą jaźń", "Þórr ætlar að fá sér kaffi",
        "İstanbul'da ığdır", "Việt Nam có nhiều phở", "ﬁ ﬂ ligatures ŉ ǆ", "Ελληνικά: αβγδ ΑΒΓΔ ς",
        "Съешь ещё этих мягких французских булок", "e\u0301a\u0300n\u0303o\u0308", "Z\u0351\u036b\u0343a\u0310l\u0341g\u0349o",
        "A\u030a \u0301 \u0308x", "q\u0307\u0323",
    ],
    "scripts": [
        "我能吞下玻璃而不伤身体。", "私はガラスを食べられます。", "나는 유리를 먹을 수 있어요.", "東京都 渋谷区１丁目",
        "السلام عليكم", "שָׁלוֹם עוֹלָם", "नमस्ते दुनिया", "สวัสดีชาวโลก", "வணக்கம்", "Բարեւ", "გამარჯობა", "𠜎𠜱𠝹", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢",
        "ꙮ ℵ ∀x∈ℝ: ⌈x⌉ = −⌊−x⌋", "ｈａｌｆ ﾊﾝｶｸ", "አማርኛ", "ᠮᠣᠩᠭᠣᠯ\u180eᠠ", "𐍈𐌰𐌽", "\u200fעברית\u200e mixed",
    ],
    "emoji": [
        "😀😃😄", "👩‍👩‍👧‍👦", "👍🏽", "🏳️‍🌈", "🇩🇪🇫🇷🇯🇵", "❤️ ♥︎", "1️⃣2️⃣", "🤷🏿‍♀️", "a😀b", "🧑‍🚀 goes 🚀!", "☺︎☺️",
    ],
    "space": [
        " ", "  ", "   ", "          ", "\t", "\t\t", " \t ", "\n", "\n\n", "\n \n", "\r\n", "\r\n\r\n", "\r", "\x0b", "\x0c",
        "\u0085", "\u00a0", "\u00a0\u00a0", "\u1680", "\u180e", "\u2000\u2003\u2009", "\u200b", "\u200a", "\u2028", "\u2029",
        "\u202f", "\u205f", "\u2060", "\u3000", "\ufeff", " \u00a0 ", "\x1c\x1d\x1e\x1f",
    ],
    "odd": [
        "<|im_start|>user\n<|im_end|>", "<|endoftext|>", "<repo_name>", "\0", "\x01\x02\x7f", "\x80\x9f", "\ufffd",
        "\ufffe\uffff", "\U0010ffff", "\ue000\uf8ff", "\u0378\u0379", "\U000e0001\U000e0061", "\u00ad", "\u061c", "\u2066x\u2069",
        "Ġ Ċ ĉ Ń", "\\", "\\n", "``", "~~~~", "=" * 40, "-" * 33, "a" * 120, "ab" * 50, "!?" * 20, "x" + " " * 50 + "y", "....",
        "_" * 17, "'", "''", "'s", " 's", "'S 'T 'RE", "'sх 'tу", "' s", "'9", "9's", "\u0301", " \u0301",
    ],
}


def random_text(rng):
    """Characters from anywhere in Unicode, as no person would write them."""
    blocks = [(0, 0x7F), (0x80, 0x24F), (0x250, 0xFFF), (0x1000, 0x2FFF), (0x3000, 0xD7FF),
              (0xE000, 0xFFFF), (0x10000, 0x1FFFF), (0x20000, 0x10FFFF)]
    return "".join(chr(rng.randint(*rng.choice(blocks))) for _ in range(rng.randint(1, 12)))


def make_lines():
    rng = random.Random(20240707)
    everything = [text for texts in FRAGMENTS.values() for text in texts]
    lines = list(everything)
    kinds = list(FRAGMENTS)
    while len(lines) < LINES:
        parts = []
        for _ in range(rng.randint(1, 4)):
            text = rng.choice(FRAGMENTS[rng.choice(kinds)]) if rng.random() < 0.85 else random_text(rng)
            start = rng.randrange(len(text)) if rng.random() < 0.5 else 0
            parts.append(text[start : start + rng.randint(1, 40)])
        line = rng.choice(["", " ", "  ", "\n"]).join(parts)
        if line not in lines:
            lines.append(line)
    return lines


def escape(text):
    for plain, escaped in (("\\", "\\\\"), ("\n", "\\n"), ("\r", "\\r"), ("\0", "\\0")):
        text = text.replace(plain, escaped)
    return text


def make_tokenizers(path):
    fields = gguf.GGUFReader(path).fields
    tokens = fields["tokenizer.ggml.tokens"].contents()
    merges = [tuple(merge.split(" ", 1)) for merge in fields["tokenizer.ggml.merges"].contents()]
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False)
    splits = {
        "smollm": [pre_tokenizers.Digits(individual_digits=True), byte_level],
        "gpt-2": [byte_level],
        "llama-bpe": [
            pre_tokenizers.Split(Regex(LLAMA3), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ],
        "qwen2": [
            pre_tokenizers.Split(Regex(LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ],
    }
    result = {}
    for name, steps in splits.items():
        vocabulary = {token: number for number, token in enumerate(tokens)}
        model = models.BPE(vocabulary, merges, ignore_merges=name == "llama-bpe")
        result[name] = Tokenizer(model)
        result[name].pre_tokenizer = pre_tokenizers.Sequence(steps)
    result["qwen2"].normalizer = normalizers.NFC()
    return result


def main():
    folder = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else "tests/golden/tokenizer")
    folder.mkdir(parents=True, exist_ok=True)
    lines = make_lines()
    (folder / "lines.txt").write_text("".join(escape(line) + "\n" for line in lines), "utf-8", newline="\n")
    first = None
    for name, tokenizer in make_tokenizers(sys.argv[1]).items():
        ids = [" ".join(map(str, tokenizer.encode(line).ids)) for line in lines]
        shown = ids if first is None else ["=" if a == b else a for a, b in zip(ids, first)]
        first = first or ids
        (folder / f"{name}.txt").write_text("".join(line + "\n" for line in shown), "utf-8")


if __name__ == "__main__":
    main()
