#!/usr/bin/env python3
"""Writes to tests/golden/tokenizer what the tests of SentencePiece need, by the PyPI package of that name:

sentencepiece.{gguf,model,txt}          a small BPE with byte fallback, as llama.cpp keeps it in GGUF and in its own file,
                                        and the ids of the lines of lines.txt (see make_tokens.py); "tie" where two
                                        splits have the same score, which each version of the library decides otherwise
sentencepiece-unigram.{model,txt}       a Unigram model as the library trains it unless told otherwise

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


def trained(text, **settings):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(text.read_text(encoding="utf-8").split("\n")[:20000]), model_writer=model,
        vocab_size=PIECES, normalization_rule_name="identity", character_coverage=0.999, **settings)
    return sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())


def trained_bpe(text):
    return trained(text, model_type="bpe", byte_fallback=True, user_defined_symbols=MARKED, remove_extra_whitespaces=False,
                   add_dummy_prefix=False, split_by_whitespace=True)


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


def is_tie(model, line):
    scores = [sum(model.get_score(i) for i in ids) for ids in model.nbest_encode(line, nbest_size=2, out_type=int)]
    return len(scores) == 2 and abs(scores[0] - scores[1]) < 1e-3


def write(model, lines, folder, name, has_ties):
    (folder / f"{name}.model").write_bytes(model.serialized_model_proto())
    ids = ["tie" if has_ties and is_tie(model, line) else " ".join(map(str, model.encode(line))) for line in lines]
    (folder / f"{name}.txt").write_text("\n".join(ids) + "\n")
    print(name, len(lines), "lines", sum(map(len, ids)), "bytes of ids")


def main():
    folder = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else "tests/golden/tokenizer")
    text = pathlib.Path(sys.argv[1])
    lines = (folder / "lines.txt").read_text(encoding="utf-8").split("\n")[:-1]
    plain = [re.sub(r"\\[\\nr0]", lambda m: ESCAPES[m[0]], line) for line in lines]
    model = trained_bpe(text)
    write_gguf(model, folder / "sentencepiece.gguf")
    write(model, plain, folder, "sentencepiece", False)
    write(trained(text, model_type="unigram"), plain, folder, "sentencepiece-unigram", True)


if __name__ == "__main__":
    main()
