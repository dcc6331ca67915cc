#!/usr/bin/env python3
"""Writes what the tests of tokenizer.json need to tests/golden/tokenizer, by PyPI `tokenizers`.

    pip install -r tests/reference/requirements.txt
    python tests/reference/make_tokenizer_json.py PROSE/tokenizer.json

small.json           byte-level BPE of 1,500 tokens, trained as set-up trains on prose, on the lines
                     without characters younger than Unicode 14: what is a letter is the regular
                     expression library's to know, and PCRE2 in Debian 12 is of that age
small.txt            the ids of each line of lines.txt
small-400.txt        the same of the first 200 lines with the first 400 ids alone
small-split.txt      the same of the first 200 lines with Llama 3's pattern as a Split
prose-bpe-4096.txt   the ids of each line with the vocabulary that set-up trains

Special tokens in a text are encoded like any other text, as the program does.
"""

import json
import pathlib
import sys
import unicodedata

from tokenizers import Tokenizer

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "tests" / "reference")]
import train_tokenizer  # noqa: E402

GOLDEN = ROOT / "tests" / "golden" / "tokenizer"
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def unescape(line):
    codes = {"n": "\n", "r": "\r", "0": "\0"}
    characters = iter(line)
    return "".join(codes.get(next(characters), "\\") if c == "\\" else c for c in characters)


def shortened(file, vocabulary):
    model = dict(file["model"])
    model["vocab"] = {text: number for text, number in model["vocab"].items() if number < vocabulary}
    model["merges"] = [pair for pair in model["merges"] if "".join(pair) in model["vocab"]]
    return file | {"model": model}


def with_split(file):
    split = {"type": "Split", "pattern": {"Regex": LLAMA3}, "behavior": "Isolated", "invert": False}
    bytes_only = file["pre_tokenizer"] | {"use_regex": False}
    return file | {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, bytes_only]}}


def write_ids(name, file, lines):
    tokenizer = Tokenizer.from_str(json.dumps(file))
    tokenizer.encode_special_tokens = True
    ids = [" ".join(map(str, tokenizer.encode(line).ids)) for line in lines]
    (GOLDEN / f"{name}.txt").write_text("".join(line + "\n" for line in ids), "utf-8")


def main():
    lines = [unescape(line) for line in (GOLDEN / "lines.txt").read_text("utf-8").split("\n")[:-1]]
    assert len(lines) == 1000
    assert unicodedata.unidata_version == "14.0.0", "use Python 3.11"
    assigned = [line for line in lines if all(unicodedata.category(c) != "Cn" for c in line)]
    train_tokenizer.train(assigned, 1500).save(str(GOLDEN / "small.json"), pretty=False)
    small = json.loads((GOLDEN / "small.json").read_text("utf-8"))
    write_ids("small", small, lines)
    write_ids("small-400", shortened(small, 400), lines[:200])
    write_ids("small-split", with_split(small), lines[:200])
    write_ids("prose-bpe-4096", json.loads(pathlib.Path(sys.argv[1]).read_text("utf-8")), lines)


if __name__ == "__main__":
    main()
