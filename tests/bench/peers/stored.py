"""SmolLM2 out of the assets, or the model that REPLICATE_BENCH_MODEL names, as float32 for `transformers`; its tokenizer;
random ids."""

import os
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "reference"))
from transformers_reference import load_model, tokenizer_from_gguf  # noqa: E402


def gguf_of(assets):
    return os.environ.get("REPLICATE_BENCH_MODEL", str(Path(assets) / "models" / "smollm2-135m-instruct.Q4_1.gguf"))


def model_of(assets, attention, layers):
    """The model, or its first so many layers; 0: all."""
    model, _ = load_model(gguf_of(assets), "auto")
    model.set_attn_implementation(attention)
    if layers:
        model.model.layers = model.model.layers[:layers]
        model.config.num_hidden_layers = layers
    return model


def tokenizer_of(assets):
    return tokenizer_from_gguf(gguf_of(assets))


def numbers(shape):
    """'4x256x30' -> sequences, length, layers"""
    return map(int, shape.split("x"))


def random_ids(sequences, length, vocabulary=49152):
    return torch.randint(0, vocabulary, (sequences, length), generator=torch.Generator().manual_seed(0))
