#!/usr/bin/env python3
"""Saves a GGUF file, dequantised by `transformers`, as a Hugging Face folder of float32 safetensors in two shards, on
which `replicate` must give the file's own record.

    save_as_folder.py MODEL.gguf OUT
    ./replicate --only sink_onset --profile smoke --tokens tests/golden/parity/tokens.jsonl --out A
    ./replicate --only sink_onset --profile smoke --tokens tests/golden/parity/tokens.jsonl --model OUT --out B
    tests/reference/compare_records.py A B
"""

import pathlib
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


def main():
    file, out = pathlib.Path(sys.argv[1]), sys.argv[2]
    model = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.float32)
    for name in ("hf_quantizer", "_is_quantized"):
        setattr(model, name, None)
    model.is_quantized = False
    model.config.__dict__.pop("quantization_config", None)
    model.save_pretrained(out, max_shard_size="300MB")
    AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name).save_pretrained(out)


if __name__ == "__main__":
    main()
