"""SmolLM2 out of the assets, as float32, for `transformers`; its tokenizer; random ids."""

import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "reference"))
from transformers_reference import load_model, tokenizer_from_gguf  # noqa: E402


def gguf_of(assets):
    return str(Path(assets) / "models" / "smollm2-135m-instruct.Q4_1.gguf")


def model_of(assets, attention):
    model, _ = load_model(gguf_of(assets), "auto")
    model.set_attn_implementation(attention)
    return model


def tokenizer_of(assets):
    return tokenizer_from_gguf(gguf_of(assets))


def random_ids(shape):
    """'4x256' -> [4, 256]"""
    sequences, length = map(int, shape.split("x"))
    return torch.randint(0, 49152, (sequences, length), generator=torch.Generator().manual_seed(0))
