#!/usr/bin/env python3
"""transformer_lens_forward.py ASSETS forward|statistics 4x256x30: TransformerLens, hooks on patterns and residuals.

The library wants a model that lies in a folder with its tokenizer, so one is written to a temporary folder first."""

import sys
import tempfile
from importlib.metadata import version

import torch
from transformer_lens.model_bridge import TransformerBridge
from transformers import PreTrainedTokenizerFast

from stored import model_of, numbers, random_ids, tokenizer_of
from worker import serve

assets, what, shape = sys.argv[1:]
sequences, length, layers = numbers(shape)
ids = random_ids(sequences, length)
hugging_face = model_of(assets, "eager", layers)
hugging_face.config.architectures = ["LlamaForCausalLM"]
with tempfile.TemporaryDirectory() as folder:
    hugging_face.config.save_pretrained(folder)
    special = dict(bos_token="<|im_start|>", eos_token="<|im_end|>", pad_token="<|im_end|>")
    PreTrainedTokenizerFast(tokenizer_object=tokenizer_of(assets), **special).save_pretrained(folder)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    model = TransformerBridge.boot_transformers(folder, hf_model=hugging_face, tokenizer=tokenizer, device="cpu")


@torch.inference_mode()
def forward():
    return model(ids, return_type=None)


@torch.inference_mode()
def statistics():
    found = []
    keep_column = lambda pattern, hook: found.append(pattern[..., 0].mean((1, 2)))
    keep_norm = lambda residual, hook: found.append(residual.norm(dim=-1))
    model.run_with_hooks(ids, return_type=None, fwd_hooks=[
        (lambda name: name.endswith("hook_pattern"), keep_column), (lambda name: name.endswith("hook_resid_post"), keep_norm)])
    return found


serve(f"TransformerLens {version('transformer-lens')}", statistics if what == "statistics" else forward, ids.numel())
