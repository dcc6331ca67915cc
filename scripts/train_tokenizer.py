"""Trains a byte-level BPE with the PyPI package `tokenizers` and writes it as a tokenizer.json.

    PYTHONPATH=FOLDER train_tokenizer.py TEXT VOCABULARY TOKENIZER.json

Ids: 0 is <|endoftext|>, 1 to 256 are the bytes in GPT-2's order, then the merges in their order, so
that a smaller vocabulary is a beginning of this one. Only documents of the training split are read;
how a text is cut and split is what models/tokenizer/corpus.cpp does, and must stay so.
"""

import hashlib
import os
import re
import sys

DOCUMENT_BYTES = 64 << 10
VALIDATION_EVERY = 20
END_OF_TEXT = "<|endoftext|>"


def first_document(text):
    """How many bytes of `text` are its first document."""
    if len(text) <= DOCUMENT_BYTES:
        return len(text)
    most = text[:DOCUMENT_BYTES]
    for mark in (b"\n\n", b"\n\r\n", b"\n"):
        found = most.rfind(mark)
        if found >= len(most) // 2:
            return found + len(mark)
    last = re.search(rb"[^\x80-\xbf][\x80-\xbf]{0,3}\Z", most)
    return last.start() if last and last[0][0] >= 0x80 else len(most)


def documents(text):
    while text:
        size = first_document(text)
        yield text[:size].decode("utf-8", "replace")
        text = text[size:]


def is_validation(document):
    number = int.from_bytes(hashlib.sha256(document.encode()).digest()[:8], "big")
    return number % VALIDATION_EVERY == 0


def train(texts, vocabulary):
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=[END_OF_TEXT], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def main():
    path, vocabulary, result = sys.argv[1:]
    with open(path, "rb") as file:
        text = file.read()
    texts = [document for document in documents(text) if not is_validation(document)]
    tokenizer = train(texts, int(vocabulary))
    if tokenizer.get_vocab_size() != int(vocabulary):
        sys.exit(f"the text is too short for {vocabulary} tokens ({path}): give a longer one")
    os.makedirs(os.path.dirname(os.path.abspath(result)), exist_ok=True)
    tokenizer.save(result, pretty=False)


if __name__ == "__main__":
    main()
