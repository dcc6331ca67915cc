#!/usr/bin/env python3
"""Tokens per second of one optimiser step: this project's trainer, PyTorch eager, and torch.compile of it.

    training_reference.py TRAINING_BENCH [--threads 2] [--rounds 7] [--seconds 2] [--shapes 1.3M 10M] [--arm NAME]
                          [--without eager compiled] [--profile] [--out FILE.json]

A step is forward, backward, clipping by the global norm and AdamW, float32, on one fixed random batch. In every round
each contender runs for --seconds, in an order that rotates from round to round, so that a machine whose speed drifts
is fair to all; medians over rounds, and medians of the ratios within rounds. TRAINING_BENCH is the C++ benchmark; it
runs as a process of its own while PyTorch is idle. --profile prints PyTorch's own profile of an eager step instead.
`scripts/bench training` builds the benchmark and calls this.
"""

import argparse
import json
import os
import statistics
import subprocess
import time
from dataclasses import dataclass, field

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # an idle contender must not spin on the others' cores

import torch
import torch.nn.functional as F
from torch import nn


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
    """One contender, warm after construction."""

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

    def rate(self, seconds):
        """Tokens per second over at least that long."""
        start, steps = time.perf_counter(), 0
        while time.perf_counter() - start < seconds:
            self.step()
            steps += 1
        return steps * self.tokens / (time.perf_counter() - start)

    def profile(self):
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
            for _ in range(10):
                self.step()
        return profile.key_averages().table(sort_by="self_cpu_time_total", row_limit=30, max_name_column_width=60)


class Ours:
    def __init__(self, program, shape_name, arm, threads):
        self.command = [program, f"--benchmark_filter=^training_step/{shape_name}/{arm}/", "--benchmark_format=json"]
        self.environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}

    def rate(self, seconds):
        command = [*self.command, f"--benchmark_min_time={seconds}"]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=True)
        return json.loads(done.stdout)["benchmarks"][0]["items_per_second"]


@dataclass
class Result:
    shape: str
    rates: dict = field(default_factory=dict)  # contender -> one a round

    def summary(self):
        ours = self.rates["ours"]
        ratio = lambda theirs: statistics.median(a / b for a, b in zip(ours, theirs))
        return {"shape": self.shape,
                "tokens_per_second": {name: statistics.median(rates) for name, rates in self.rates.items()},
                "ours_over": {name: ratio(rates) for name, rates in self.rates.items() if name != "ours"},
                "rounds": self.rates}


def contenders(shape_name, arguments):
    found = {"ours": Ours(arguments.program, shape_name, arguments.arm, arguments.threads)}
    for name in ("eager", "compiled"):
        if name not in arguments.without:
            found[name] = Pytorch(SHAPES[shape_name], compiled=name == "compiled")
    return found


def race(shape_name, arguments):
    runners = contenders(shape_name, arguments)
    names, result = list(runners), Result(shape_name, {name: [] for name in runners})
    for turn in range(arguments.rounds):
        start = turn % len(names)
        for name in names[start:] + names[:start]:
            result.rates[name].append(runners[name].rate(arguments.seconds))
    return result


def show(summary):
    for name, rate in summary["tokens_per_second"].items():
        ratio = summary["ours_over"].get(name)
        print(f"{summary['shape']:>6}  {name:<10} {rate:>10.0f} tokens/s" + (f"   ours / {name} {ratio:.3f}" if ratio else ""))


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", help="the built training_bench")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--arm", default="baseline", help="of our side; PyTorch always trains the baseline")
    parser.add_argument("--without", nargs="+", choices=("eager", "compiled"), default=[])
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--out", help="JSON")
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    torch.set_num_threads(arguments.threads)
    if arguments.profile:
        for name in arguments.shapes:
            print(name, Pytorch(SHAPES[name], compiled=False).profile(), sep="\n")
        return
    summaries = []
    for name in arguments.shapes:
        summaries.append(race(name, arguments).summary())
        show(summaries[-1])
    if arguments.out:
        whole = {"threads": arguments.threads, "torch": torch.__version__, "arm": arguments.arm, "shapes": summaries}
        with open(arguments.out, "w") as file:
            json.dump(whole, file, indent=1)


if __name__ == "__main__":
    main()
