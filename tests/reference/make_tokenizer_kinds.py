#!/usr/bin/env python3
"""Writes what the tests of the kinds of tokenizer.json need to tests/golden/tokenizer, by PyPI `tokenizers`.

    pip install -r tests/reference/requirements.txt
    python tests/reference/make_tokenizer_kinds.py

characters.json   BPE on characters with byte fallback, trained on lines.txt
unigram.json      Unigram with byte pieces, trained on lines.txt
kinds.json        by kind: one of these or small.json (make_tokenizer_json.py), and what is changed in it (RFC 7396), as
                  the tokenizers of published models have it
kinds.txt         for each line of lines.txt, one digest for each kind, in the order of kinds.json: of the ids, written
                  with spaces between, the first 8 digits of their SHA-256; or -------- where rounding decides between
                  two splits of Unigram, and where a character younger than Unicode 14 may be a digit

Special tokens in a text are encoded like any other text, as the program does.
"""

import copy
import hashlib
import json
import pathlib
import random
import unicodedata

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from make_tokenizer_json import GOLDEN, LLAMA3, unescape

SPECIAL = ["<unk>", "<s>", "</s>"]
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
YOUNG_DIGITS = {"digits-and-prefix"}  # kinds where some line has a digit younger than Unicode 14
ONE_DIGIT = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
MARK_SPACES = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}


def split(pattern, behavior, invert=False):
    return {"type": "Split", "pattern": pattern, "behavior": behavior, "invert": invert}


def sequence(*steps):
    return {"type": "Sequence", "pretokenizers": list(steps)}


def added(text, special=False, **more):
    return {"id": 0, "content": text, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
            "special": special} | more


def with_own_ids(file):
    """Added tokens have the ids that the vocabulary gives them, or those behind it, as in published files."""
    vocabulary = file["model"]["vocab"]
    if file["model"]["type"] == "Unigram":
        vocabulary = {piece: number for number, (piece, _) in enumerate(vocabulary)}
    behind = len(vocabulary)
    for token in file["added_tokens"]:
        token["id"] = vocabulary.get(token["content"], behind)
        behind += token["id"] == behind
    return file


def added_everywhere(texts, special=SPECIAL, **more):
    return [added(text, True) for text in special] + [added(text, **more) for text in texts]


def template(token):
    return {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": token, "type_id": 0}},
                                                     {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {token: {"id": token, "ids": [1], "tokens": [token]}}}


def kinds():
    end = ["<|endoftext|>"]
    return {
        "qwen": {"base": "small", "patch": {
            "normalizer": {"type": "NFC"}, "pre_tokenizer": sequence(split({"Regex": ONE_DIGIT}, "Isolated"), BYTE_LEVEL),
            "added_tokens": added_everywhere(["the", "<tool_call>", "</"], special=end)}},
        "llama-3": {"base": "small", "patch": {
            "pre_tokenizer": sequence(split({"Regex": LLAMA3}, "Isolated"), BYTE_LEVEL), "model": {"ignore_merges": True}}},
        "smollm": {"base": "small", "patch": {
            "pre_tokenizer": sequence({"type": "Digits", "individual_digits": True}, BYTE_LEVEL | {"use_regex": True})}},
        "digits-and-prefix": {"base": "small", "patch": {
            "pre_tokenizer": sequence({"type": "Digits", "individual_digits": False},
                                      BYTE_LEVEL | {"use_regex": True, "add_prefix_space": True})}},
        "olmo-2": {"base": "small", "patch": {
            "pre_tokenizer": sequence(split({"Regex": LLAMA3}, "Removed", True), BYTE_LEVEL),
            "added_tokens": added_everywhere(["|||", "  ", "in"], special=end, normalized=True)}},
        "llama-2": {"base": "characters", "patch": {
            "normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, MARK_SPACES]},
            "pre_tokenizer": None, "post_processor": template("<s>")}},
        "mistral": {"base": "characters", "patch": {
            "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": False},
            "added_tokens": added_everywhere(["is"])}},
        "phi-3": {"base": "characters", "patch": {
            "normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, MARK_SPACES]},
            "pre_tokenizer": None, "added_tokens": added_everywhere(["of", "an"], rstrip=True)}},
        "gemma": {"base": "characters", "patch": {
            "normalizer": MARK_SPACES, "pre_tokenizer": split({"String": " "}, "MergedWithPrevious"),
            "added_tokens": added_everywhere(["\n", "\n\n", "\t", "<table>"])}},
        "no-fallback": {"base": "characters", "patch": {
            "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True},
            "model": {"byte_fallback": False, "fuse_unk": False}}},
        "split-with-next": {"base": "characters", "patch": {
            "pre_tokenizer": split({"Regex": "[aeiou ]"}, "MergedWithNext"), "model": {"byte_fallback": False}}},
        "unigram": {"base": "unigram", "patch": {}},
        "unigram-bytes": {"base": "unigram", "patch": {
            "model": {"byte_fallback": True},
            "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "never", "split": False}}},
    }


def patched(value, patch):
    """RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    result = copy.copy(value) if isinstance(value, dict) else {}
    for key, change in patch.items():
        if change is None:
            result.pop(key, None)
        else:
            result[key] = patched(result.get(key), change)
    return result


def train_characters(lines):
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.train_from_iterator(lines, trainers.BpeTrainer(vocab_size=1500, limit_alphabet=150, show_progress=False,
                                                             special_tokens=SPECIAL + BYTES))
    file = json.loads(tokenizer.to_str())
    return file | {"added_tokens": file["added_tokens"][:len(SPECIAL)]}


def train_unigram(lines):
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.train_from_iterator(lines, trainers.UnigramTrainer(vocab_size=900, show_progress=False, unk_token="<unk>",
                                                                 special_tokens=SPECIAL))
    file = json.loads(tokenizer.to_str())
    file["model"]["vocab"] += [[byte, -30] for byte in BYTES]
    return file


def encoded(file, lines):
    tokenizer = Tokenizer.from_str(json.dumps(file))
    tokenizer.encode_special_tokens = True
    return [" ".join(map(str, tokenizer.encode(line, add_special_tokens=False).ids)) for line in lines]


def shaken(file, seed):
    """With scores that are off by rounding."""
    rng = random.Random(seed)
    vocabulary = [[piece, score * (1 + 1e-12 * rng.uniform(-1, 1))] for piece, score in file["model"]["vocab"]]
    return file | {"model": file["model"] | {"vocab": vocabulary}}


def is_young(line):
    return any(unicodedata.category(c) == "Cn" for c in line)


def digests(file, lines, leaves_out):
    ids = encoded(file, lines)
    others = [encoded(shaken(file, seed), lines) for seed in range(8)] if file["model"]["type"] == "Unigram" else []
    left_out = [leaves_out(line) or any(other[i] != ids[i] for other in others) for i, line in enumerate(lines)]
    print(sum(left_out), "lines left out")
    return ["-" * 8 if left_out[i] else hashlib.sha256(line.encode()).hexdigest()[:8] for i, line in enumerate(ids)]


def write(name, text):
    (GOLDEN / name).write_text(text, "utf-8")


def main():
    assert unicodedata.unidata_version == "14.0.0", "use Python 3.11"
    lines = [unescape(line) for line in (GOLDEN / "lines.txt").read_text("utf-8").split("\n")[:-1]]
    common = lines[::2]  # so that the other half has characters that no token covers
    plain = [line for line in common if all(ord(c) < 0x250 for c in line)]
    bases = {"small": json.loads((GOLDEN / "small.json").read_text("utf-8")),
             "characters": train_characters(common), "unigram": train_unigram(plain)}
    for name in ("characters", "unigram"):
        write(f"{name}.json", json.dumps(bases[name], ensure_ascii=False))
    described = kinds()
    columns = []
    for name, kind in described.items():
        file = with_own_ids(patched(bases[kind["base"]], kind["patch"]))
        if "added_tokens" in kind["patch"]:
            kind["patch"]["added_tokens"] = file["added_tokens"]
        columns.append(digests(file, lines, is_young if name in YOUNG_DIGITS else lambda line: False))
    write("kinds.json", json.dumps(described, ensure_ascii=False, indent=1))
    write("kinds.txt", "".join(" ".join(row) + "\n" for row in zip(*columns)))


if __name__ == "__main__":
    main()
