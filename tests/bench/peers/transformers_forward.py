#!/usr/bin/env python3
"""transformers_forward.py ASSETS sdpa|statistics 4x256x30: `transformers`, without the output head.

`statistics` is what a notebook does: eager attention, all matrices and hidden states kept, then the attention to
position 0 and the norms of every layer out of them."""

import sys

import torch
import transformers

from stored import model_of, numbers, random_ids
from worker import serve

assets, what, shape = sys.argv[1:]
sequences, length, layers = numbers(shape)
model = model_of(assets, "eager" if what == "statistics" else "sdpa", layers).model
ids = random_ids(sequences, length, model.config.vocab_size)


@torch.inference_mode()
def forward():
    return model(ids, use_cache=False)


@torch.inference_mode()
def statistics():
    seen = model(ids, use_cache=False, output_attentions=True, output_hidden_states=True)
    to_first = [attention[..., 0].mean((1, 2)) for attention in seen.attentions]
    norms = [hidden.norm(dim=-1) for hidden in seen.hidden_states]
    return to_first, norms


serve(f"transformers {transformers.__version__}, PyTorch {torch.__version__}", statistics if what == "statistics" else forward,
      ids.numel())
