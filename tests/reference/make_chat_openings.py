#!/usr/bin/env python3
"""Writes tests/golden/chat_openings.json: what `transformers` puts before a user's first words by the chat template of
each model, and the ids of it.

    python tests/reference/make_chat_openings.py SMOLLM2.gguf QWEN2.5.gguf

The template called gemma has the turns of Gemma's and is written here, since the file of Gemma 3 270M has none.
"""

import json
import pathlib
import sys

from gguf import GGUFReader
from tokenizers import Tokenizer, models
from transformers import AutoTokenizer, PreTrainedTokenizerFast

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "golden" / "chat_openings.json"
WORDS = "WHAT A USER SAYS"
GEMMA = (
    "{{ bos_token }}{% for message in messages %}{{ '<start_of_turn>' + message['role'] + '\\n' }}"
    "{{ message['content'] | trim }}{{ '<end_of_turn>\\n' }}{% endfor %}"
)
OTHER = "{% for message in messages %}{{ '[INST] ' + message['content'] + ' [/INST]' }}{% endfor %}"


def opening(template):
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE()), bos_token="<bos>")
    said = [{"role": "user", "content": WORDS}]
    whole = tokenizer.apply_chat_template(said, chat_template=template, tokenize=False)
    return whole.partition(WORDS)[0].removeprefix("<bos>")


def main():
    found = []
    for path in map(pathlib.Path, sys.argv[1:]):
        template = GGUFReader(path).fields["tokenizer.chat_template"].contents()
        ids = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name).encode(opening(template))
        found.append({"model": path.stem, "template": template, "opening": opening(template), "ids": ids})
    found.append({"model": "gemma", "template": GEMMA, "opening": opening(GEMMA)})
    found.append({"model": "other", "template": OTHER, "opening": None})
    GOLDEN.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
