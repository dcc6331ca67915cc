#!/usr/bin/env python3
"""Writes tests/golden/safetensors: small files by PyPI `safetensors` and `transformers`.

    pip install -r tests/reference/requirements.txt
    python tests/reference/make_safetensors.py [tests/golden/safetensors]

every_dtype.safetensors   by `safetensors`: numbers of every width, a scalar, an empty tensor, metadata
tiny_gpt2.safetensors     by `transformers`: save_pretrained of a GPT-2 of two layers and width 4
tiny_gpt2.json            of that model, each tensor's shape and the sum and first number in float32
"""

import json
import pathlib
import shutil
import sys
import tempfile

import torch
from safetensors.torch import load_file, save_file
from transformers import GPT2Config, GPT2LMHeadModel

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "golden" / "safetensors"


def every_dtype():
    """Values that the test works out again: -1.5, -0.5, 0.5, ... for reals, -2, -1, 0, ... for integers."""
    tensors = {}
    for dtype in (torch.float64, torch.float32, torch.float16, torch.bfloat16):
        tensors["real/" + str(dtype).removeprefix("torch.")] = (torch.arange(6) - 1.5).to(dtype).reshape(2, 3)
    for dtype in (torch.int64, torch.int32, torch.int16, torch.int8):
        tensors["integer/" + str(dtype).removeprefix("torch.")] = (torch.arange(4) - 2).to(dtype)
    for dtype in (torch.uint64, torch.uint32, torch.uint16, torch.uint8):
        tensors["integer/" + str(dtype).removeprefix("torch.")] = torch.arange(3).to(dtype)
    tensors["flags"] = torch.tensor([True, False, True])
    tensors["scalar"] = torch.tensor(3.25)
    tensors["empty"] = torch.zeros(0, 5)
    return tensors


def tiny_gpt2(folder):
    torch.manual_seed(7)
    config = GPT2Config(vocab_size=11, n_positions=6, n_embd=4, n_layer=2, n_head=2)
    with tempfile.TemporaryDirectory() as saved:
        GPT2LMHeadModel(config).save_pretrained(saved)
        shutil.copy(pathlib.Path(saved) / "model.safetensors", folder / "tiny_gpt2.safetensors")
    tensors = load_file(folder / "tiny_gpt2.safetensors")
    return {name: {"shape": list(tensor.shape), "sum": float(tensor.double().sum()), "first": float(tensor.flatten()[0])}
            for name, tensor in sorted(tensors.items())}


def main():
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    save_file(every_dtype(), folder / "every_dtype.safetensors", metadata={"format": "pt"})
    (folder / "tiny_gpt2.json").write_text(json.dumps(tiny_gpt2(folder)) + "\n")


if __name__ == "__main__":
    main()
