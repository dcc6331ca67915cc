#!/usr/bin/env python3
"""Writes tests/golden/tokenizer/sentencepiece.{gguf,txt}: a small SentencePiece BPE with byte fallback as llama.cpp keeps
it in GGUF, and the ids that PyPI `sentencepiece` gives the lines of lines.txt (see make_tokens.py).

    pip install sentencepiece gguf
    python tests/reference/make_sentencepiece.py TEXT.txt [tests/golden/tokenizer]
"""

import io
import pathlib
import re
import sys

import gguf
import sentencepiece

PIECES = 700
MARKED = ["\n", "\n\n", "\t", "▁▁", "▁▁▁▁", "<table>"]  # user-defined, as Gemma's are
ESCAPES = {"\\\\": "\\", "\\n": "\n", "\\r": "\r", "\\0": "\0"}


def trained(text):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(text.read_text(encoding="utf-8").split("\n")[:20000]), model_writer=model,
        vocab_size=PIECES, model_type="bpe", byte_fallback=True, user_defined_symbols=MARKED,
        normalization_rule_name="identity", remove_extra_whitespaces=False, add_dummy_prefix=False,
        split_by_whitespace=True, character_coverage=0.999)
    return sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())


def kind(model, i):
    if model.is_unknown(i):
        return gguf.TokenType.UNKNOWN
    if model.is_control(i):
        return gguf.TokenType.CONTROL
    if model.is_byte(i):
        return gguf.TokenType.BYTE
    return gguf.TokenType.USER_DEFINED if model.id_to_piece(i) in MARKED else gguf.TokenType.NORMAL


def write_gguf(model, file):
    count = model.get_piece_size()
    kinds = [kind(model, i) for i in range(count)]
    unmarked = lambda i: model.id_to_piece(i).replace("▁", " ") if kinds[i] == gguf.TokenType.USER_DEFINED else model.id_to_piece(i)
    writer = gguf.GGUFWriter(file, "llama")
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([unmarked(i) for i in range(count)])
    writer.add_token_scores([model.get_score(i) for i in range(count)])
    writer.add_token_types(kinds)
    writer.add_bos_token_id(model.bos_id())
    writer.add_eos_token_id(model.eos_id())
    writer.add_unk_token_id(model.unk_id())
    writer.add_add_space_prefix(False)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main():
    folder = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else "tests/golden/tokenizer")
    model = trained(pathlib.Path(sys.argv[1]))
    write_gguf(model, folder / "sentencepiece.gguf")
    lines = (folder / "lines.txt").read_text(encoding="utf-8").split("\n")[:-1]
    plain = [re.sub(r"\\[\\nr0]", lambda m: ESCAPES[m[0]], line) for line in lines]
    ids = [" ".join(map(str, model.encode(line))) for line in plain]
    (folder / "sentencepiece.txt").write_text("\n".join(ids) + "\n")
    print(len(lines), "lines", sum(map(len, ids)), "bytes of ids")


if __name__ == "__main__":
    main()
