#!/usr/bin/env python3
"""pytorch_training.py ASSETS eager|compiled 1.3M|10M: an optimiser step in plain PyTorch.

A step is forward, backward, clipping by the global norm and AdamW, float32, on one fixed random batch."""

import sys
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from worker import serve


@dataclass
class Shape:
    layers: int
    width: int
    heads: int
    hidden: int
    vocabulary: int
    sequences: int
    length: int


# The same two as in training_bench.cpp.
SHAPES = {"1.3M": Shape(4, 128, 4, 384, 1024, 16, 64), "10M": Shape(6, 320, 5, 864, 4096, 8, 128)}


class RmsNorm(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x):
        return F.rms_norm(x, x.shape[-1:], self.weight, 1e-5)


class Block(nn.Module):
    def __init__(self, s):
        super().__init__()
        linear = lambda inputs, outputs: nn.Linear(inputs, outputs, bias=False)
        self.heads = s.heads
        self.input_layernorm, self.post_attention_layernorm = RmsNorm(s.width), RmsNorm(s.width)
        self.q_proj, self.k_proj, self.v_proj, self.o_proj = (linear(s.width, s.width) for _ in range(4))
        self.gate_proj, self.up_proj = linear(s.width, s.hidden), linear(s.width, s.hidden)
        self.down_proj = linear(s.hidden, s.width)

    def attention(self, x, cosine, sine):
        split = lambda y: y.unflatten(-1, (self.heads, -1)).transpose(1, 2)
        q, k, v = split(self.q_proj(x)), split(self.k_proj(x)), split(self.v_proj(x))
        heads = F.scaled_dot_product_attention(rotated(q, cosine, sine), rotated(k, cosine, sine), v, is_causal=True)
        return self.o_proj(heads.transpose(1, 2).flatten(2))

    def forward(self, x, cosine, sine):
        x = x + self.attention(self.input_layernorm(x), cosine, sine)
        y = self.post_attention_layernorm(x)
        return x + self.down_proj(F.silu(self.gate_proj(y)) * self.up_proj(y))


def rotated(x, cosine, sine):
    first, second = x.chunk(2, -1)
    return x * cosine + torch.cat((-second, first), -1) * sine


class Model(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.embed_tokens = nn.Embedding(s.vocabulary, s.width)
        self.layers = nn.ModuleList(Block(s) for _ in range(s.layers))
        self.norm = RmsNorm(s.width)
        for weight in self.parameters():
            if weight.dim() > 1:
                nn.init.normal_(weight, std=0.02)
        k_width = s.width // s.heads
        frequency = 10000.0 ** (-torch.arange(0, k_width, 2, dtype=torch.float64) / k_width)
        angle = torch.outer(torch.arange(s.length, dtype=torch.float64), frequency).repeat(1, 2)
        self.register_buffer("cosine", angle.cos().float())
        self.register_buffer("sine", angle.sin().float())

    def forward(self, ids, targets):
        x = self.embed_tokens(ids)
        for layer in self.layers:
            x = layer(x, self.cosine, self.sine)
        logits = self.norm(x) @ self.embed_tokens.weight.T
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


class Pytorch:

    def __init__(self, shape, compiled):
        torch.manual_seed(0)
        self.model = Model(shape)
        self.loss = torch.compile(self.model) if compiled else self.model
        split = [[p for p in self.model.parameters() if (p.dim() > 1) == wide] for wide in (True, False)]
        groups = [{"params": split[0], "weight_decay": 0.1}, {"params": split[1], "weight_decay": 0.0}]
        self.adamw = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.95), eps=1e-8, fused=True)
        ids = torch.randint(0, shape.vocabulary, (shape.sequences, shape.length + 1))
        self.inputs, self.targets = ids[:, :-1].contiguous(), ids[:, 1:].contiguous()
        self.tokens = self.inputs.numel()
        for _ in range(3):
            self.step()

    def step(self):
        self.adamw.zero_grad()
        self.loss(self.inputs, self.targets).backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0, foreach=True)
        self.adamw.step()


_, how, shape = sys.argv[1:]
contender = Pytorch(SHAPES[shape], compiled=how == "compiled")
serve(f"PyTorch {torch.__version__}", contender.step, contender.tokens)
