#!/usr/bin/env python3
"""Trains the arms of the training claims with plain PyTorch, without any code of this project.

    training_reference.py FOLDER                train once, in float32 on one thread
    training_reference.py --make-golden OUT     write tests/golden/training from scratch

FOLDER holds what the run depends on, and gets what came of it:
- initial.safetensors: weights under the names of transformers' LlamaForCausalLM; no lm_head.weight means that the
  embedding is the head. Names of our own: model.layers.N.self_attn.head_norm.weight [K],
  model.layers.N.self_attn.output_gate.weight [H K, D]; constants that are not trained: head_constants [L, H].
  Tensors that an arm has no use for are passed over.
- batches.safetensors: inputs, targets [steps, B, T] int64.
- recipe.json: arm, learning_rate, steps, warmup, decay, weight_decay, beta1, beta2, eps, clip, heads, kv_heads,
  head_width, norm_eps, rope_theta, sigmoid_bias (null but for sigmoid_attention).
- losses.json: the mean cross-entropy of every step's batch before its update, nats. final.safetensors: the weights.

The baseline is transformers' own model. The other arms are written out from their definitions (the same code without
any of them is first compared with transformers). With o_h [K] a head's output, c_h a constant, g [K] a gain shared
by heads, R an orthogonal matrix:
- head_rms_norm: o_h / sqrt(mean o_h^2 + 1e-6) * g before W_O.
- sigmoid_attention: A = sigmoid(q k / sqrt K + bias) on and below the diagonal, in place of softmax.
- gated_attention: o * sigmoid(x W_g^T), x the block's normed input.
- constant_gain: c_h o_h * g before W_O; c_h is fixed.
- dense_down: S s (1 + tanh(V S / s) / 2) in place of W_down, elementwise; V [D, F] is trained, S are the signs of the
  initial V, s is the RMS of each column of V.
Weight decay is for parameters with two or more axes.

The golden files are small: batches come from a formula (`token_ids`), which the C++ test has too, and a final weight
is kept as its norm, its sum and some of its elements.
"""

import argparse
import json
import math
import os
from pathlib import Path

os.environ.update(HF_HUB_OFFLINE="1", TQDM_DISABLE="1")  # read when transformers is imported

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM

ARMS = ("baseline", "head_rms_norm", "sigmoid_attention", "gated_attention", "constant_gain", "dense_down")
HEAD_NORM_EPS = 1e-6
EMBEDDING, HEAD = "model.embed_tokens.weight", "lm_head.weight"


# --- the model, from its definitions ---


def rms_normed(x, eps):
    return x / torch.sqrt((x * x).mean(-1, keepdim=True) + eps)


def rotated(x, theta):
    """RoPE, x [B, n, T, K]: pair (i, i + K/2) at position t turns by t theta^(-2 i / K)."""
    length, width = x.shape[-2:]
    frequency = theta ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
    angle = torch.arange(length, dtype=torch.float64)[:, None] * frequency  # [T, K / 2]
    cosine, sine = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    first, second = x[..., : width // 2], x[..., width // 2 :]
    return torch.cat([first * cosine - second * sine, second * cosine + first * sine], -1)


class PlainModel(nn.Module):
    """All six arms, every attention matrix written out."""

    def __init__(self, recipe, initial):
        super().__init__()
        self.recipe, self.arm = recipe, recipe["arm"]
        self.layers = layer_count(initial)
        self.constants = initial.get("head_constants")
        downs = [initial[f"model.layers.{n}.mlp.down_proj.weight"] for n in range(self.layers)]
        self.signs = [torch.where(down < 0, -1.0, 1.0) for down in downs]
        unused = {"head_norm": ("head_rms_norm", "constant_gain"), "output_gate": ("gated_attention",)}
        wanted = lambda name: all(self.arm in arms for part, arms in unused.items() if part in name)
        names = [name for name in initial if name.endswith(".weight") and wanted(name)]
        self.weights = {name: nn.Parameter(initial[name].clone()) for name in names}

    def parameters_by_name(self):
        return self.weights

    def attention_output(self, n, x):
        """Heads [B, H, T, K] before anything that an arm does to them."""
        r, of = self.recipe, lambda name: self.weights[f"model.layers.{n}.self_attn.{name}_proj.weight"]
        heads = lambda name, count: (x @ of(name).T).unflatten(-1, (count, r["head_width"])).transpose(1, 2)
        q = rotated(heads("q", r["heads"]), r["rope_theta"])
        k = rotated(heads("k", r["kv_heads"]), r["rope_theta"])
        v = heads("v", r["kv_heads"])
        group = r["heads"] // r["kv_heads"]
        k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)  # head h reads KV head h / group
        scores = q @ k.transpose(2, 3) / math.sqrt(r["head_width"])
        ahead = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
        if self.arm == "sigmoid_attention":
            return torch.sigmoid(scores + r["sigmoid_bias"]).masked_fill(ahead, 0) @ v
        return scores.masked_fill(ahead, -math.inf).softmax(-1) @ v

    def arm_applied(self, n, x, heads):
        own = lambda name: self.weights[f"model.layers.{n}.self_attn.{name}.weight"]
        if self.arm == "head_rms_norm":
            return rms_normed(heads, HEAD_NORM_EPS) * own("head_norm")
        if self.arm == "constant_gain":
            return heads * self.constants[n][:, None, None] * own("head_norm")
        if self.arm == "gated_attention":
            gate = torch.sigmoid(x @ own("output_gate").T)
            return heads * gate.unflatten(-1, heads.shape[1::2]).transpose(1, 2)
        return heads

    def block(self, n, residual, probe=None):
        of = lambda name: self.weights[f"model.layers.{n}.{name}.weight"]
        x = rms_normed(residual, self.recipe["norm_eps"]) * of("input_layernorm")
        heads = self.attention_output(n, x)
        if probe:
            probe(n, heads)
        heads = self.arm_applied(n, x, heads)
        residual = residual + heads.transpose(1, 2).flatten(2) @ of("self_attn.o_proj").T
        x = rms_normed(residual, self.recipe["norm_eps"]) * of("post_attention_layernorm")
        hidden = F.silu(x @ of("mlp.gate_proj").T) * (x @ of("mlp.up_proj").T)
        down = of("mlp.down_proj")
        if self.arm == "dense_down":
            scale = torch.sqrt((down * down).mean(0, keepdim=True) + 1e-12)
            down = self.signs[n] * scale * (1 + 0.5 * torch.tanh(down * self.signs[n] / scale))
        return residual + hidden @ down.T

    def forward(self, ids, probe=None):
        residual = self.weights[EMBEDDING][ids]
        for n in range(self.layers):
            residual = self.block(n, residual, probe)
        x = rms_normed(residual, self.recipe["norm_eps"]) * self.weights["model.norm.weight"]
        return x @ self.weights.get(HEAD, self.weights[EMBEDDING]).T


def matched_constants(recipe, initial, ids):
    """c [L, H]: 1 / RMS of each head's outputs over the sample, a layer's constants in force before the next one's."""
    layers = layer_count(initial)
    constants = torch.ones(layers, recipe["heads"])
    model = PlainModel({**recipe, "arm": "constant_gain"}, {**initial, "head_constants": constants})

    def match(n, heads):
        constants[n] = ((heads * heads).mean((0, 2, 3)) + HEAD_NORM_EPS).rsqrt()

    with torch.no_grad():
        model(ids, match)
    return constants


# --- transformers' model ---


def layer_count(initial):
    return 1 + max(int(name.split(".")[2]) for name in initial if name.startswith("model.layers."))


class TransformersModel(nn.Module):
    def __init__(self, recipe, initial):
        super().__init__()
        embedding, hidden = initial[EMBEDDING], initial["model.layers.0.mlp.gate_proj.weight"]
        config = LlamaConfig(
            vocab_size=embedding.shape[0], hidden_size=embedding.shape[1], intermediate_size=hidden.shape[0],
            num_hidden_layers=layer_count(initial), num_attention_heads=recipe["heads"],
            num_key_value_heads=recipe["kv_heads"], head_dim=recipe["head_width"],
            rms_norm_eps=recipe["norm_eps"], rope_parameters={"rope_type": "default", "rope_theta": recipe["rope_theta"]},
            tie_word_embeddings=HEAD not in initial, attn_implementation="eager", use_cache=False,
            bos_token_id=None, eos_token_id=None, pad_token_id=None)
        self.model = LlamaForCausalLM(config)
        wanted = self.parameters_by_name()
        with torch.no_grad():
            for name, parameter in wanted.items():
                parameter.copy_(initial[name])

    def parameters_by_name(self):
        return dict(self.model.named_parameters())  # a tied head counts once

    def forward(self, ids):
        return self.model(input_ids=ids).logits


# --- training ---


def share_of_rate(step, recipe):
    """Warm-up, constant, linear decay to zero: steps count from 0."""
    if step < recipe["warmup"]:
        return (step + 1) / recipe["warmup"]
    left = recipe["steps"] - step
    return left / recipe["decay"] if left < recipe["decay"] else 1.0


def optimiser(parameters, recipe):
    groups = [
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": recipe["weight_decay"]},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=recipe["learning_rate"], betas=(recipe["beta1"], recipe["beta2"]),
                             eps=recipe["eps"], foreach=False)


def trained(model, recipe, inputs, targets):
    """-> the loss of every step; the model's weights move."""
    parameters = list(model.parameters_by_name().values())
    adamw, losses = optimiser(parameters, recipe), []
    for step in range(recipe["steps"]):
        for group in adamw.param_groups:
            group["lr"] = recipe["learning_rate"] * share_of_rate(step, recipe)
        adamw.zero_grad()
        loss = F.cross_entropy(model(inputs[step]).flatten(0, 1), targets[step].flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, recipe["clip"])
        adamw.step()
        losses.append(loss.item())
    return losses


def model_of(recipe, initial, ids):
    if recipe["arm"] != "baseline":
        return PlainModel(recipe, initial)
    theirs, plain = TransformersModel(recipe, initial), PlainModel(recipe, initial)
    with torch.no_grad():
        torch.testing.assert_close(plain(ids), theirs(ids), rtol=1e-4, atol=1e-5)
    return theirs


def run(recipe, initial, inputs, targets):
    model = model_of(recipe, initial, inputs[0])
    losses = trained(model, recipe, inputs, targets)
    return losses, {name: p.detach().contiguous() for name, p in model.parameters_by_name().items()}


def run_folder(folder):
    recipe = json.loads((folder / "recipe.json").read_text())
    batches = load_file(folder / "batches.safetensors")
    losses, final = run(recipe, load_file(folder / "initial.safetensors"), batches["inputs"], batches["targets"])
    (folder / "losses.json").write_text(json.dumps(losses) + "\n")
    save_file(final, folder / "final.safetensors")
    print(f"{recipe['arm']}: {losses[0]:.6f} -> {losses[-1]:.6f} in {len(losses)} steps")


# --- the golden files ---

MASK = (1 << 64) - 1
SHAPE = {"width": 24, "layers": 2, "heads": 4, "head_width": 6, "hidden": 40, "vocabulary": 50}
BATCH = {"seed": 7, "sequences": 4, "length": 32}
RECIPE = {"learning_rate": 3e-3, "steps": 200, "warmup": 20, "decay": 40, "weight_decay": 0.1, "beta1": 0.9,
          "beta2": 0.95, "eps": 1e-8, "clip": 1.0, "heads": 4, "head_width": 6, "norm_eps": 1e-5,
          "rope_theta": 10000.0, "sigmoid_bias": None}
KEPT = 8  # elements of a final weight


def mixed(seed, *indices):
    """splitmix64's output function on the indices folded into one number."""
    z = seed
    for index in indices:
        z = (z * 1000003 + index) & MASK
    z = (z + 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def token_ids(seed, step, row, length, vocabulary):
    """A chain with three equally likely successors of every id: its entropy, log 3, can be learned."""
    ids = [mixed(seed, step, row, 0) % vocabulary]
    for t in range(1, length):
        ids.append((7 * ids[-1] + 3 + mixed(seed, step, row, t) % 3) % vocabulary)
    return ids


def golden_batches(steps):
    length = BATCH["length"]
    rows = [[token_ids(BATCH["seed"], step, row, length + 1, SHAPE["vocabulary"]) for row in range(BATCH["sequences"])]
            for step in range(steps)]
    ids = torch.tensor(rows)  # [steps, B, T + 1]
    return ids[..., :-1].contiguous(), ids[..., 1:].contiguous()


def golden_weights(kv_heads, tied, seed):
    """Of every arm. Larger than usual, so that attention and gates are far from their linear range."""
    generator = torch.Generator().manual_seed(seed)
    normal = lambda *shape: 0.15 * torch.randn(*shape, generator=generator)
    gain = lambda width: 1 + 0.1 * torch.randn(width, generator=generator)
    d, f, k = SHAPE["width"], SHAPE["hidden"], SHAPE["head_width"]
    hk, gk = SHAPE["heads"] * k, kv_heads * k
    weights = {EMBEDDING: normal(SHAPE["vocabulary"], d), "model.norm.weight": gain(d)}
    if not tied:
        weights[HEAD] = normal(SHAPE["vocabulary"], d)
    for n in range(SHAPE["layers"]):
        shapes = {"self_attn.q_proj": (hk, d), "self_attn.k_proj": (gk, d), "self_attn.v_proj": (gk, d),
                  "self_attn.o_proj": (d, hk), "self_attn.output_gate": (hk, d), "mlp.gate_proj": (f, d),
                  "mlp.up_proj": (f, d), "mlp.down_proj": (d, f)}
        gains = {"input_layernorm": d, "post_attention_layernorm": d, "self_attn.head_norm": k}
        weights |= {f"model.layers.{n}.{name}.weight": normal(*shape) for name, shape in shapes.items()}
        weights |= {f"model.layers.{n}.{name}.weight": gain(width) for name, width in gains.items()}
    return weights


def summary(weight):
    """Enough of a weight to see that it is the same. Norm and sum in float64."""
    flat = weight.double().flatten()
    stride = max(1, flat.numel() // KEPT)
    digits = lambda x: float(f"{x:.8g}")
    kept = [digits(x) for x in flat[::stride][:KEPT].tolist()]
    return {"norm": digits(flat.norm().item()), "sum": digits(flat.sum().item()), "stride": stride, "elements": kept}


def write_golden(out, arms):
    out.mkdir(parents=True, exist_ok=True)
    inputs, targets = golden_batches(RECIPE["steps"])
    for kv_heads, tied in ((2, True), (4, False)):
        initial = golden_weights(kv_heads, tied, seed=kv_heads)
        initial["head_constants"] = matched_constants({**RECIPE, "kv_heads": kv_heads}, initial, inputs[0])
        save_file(initial, out / f"initial_kv{kv_heads}.safetensors")
        for arm in arms:
            recipe = {"arm": arm, **RECIPE, "kv_heads": kv_heads}
            if arm == "sigmoid_attention":
                recipe["sigmoid_bias"] = -math.log(BATCH["length"])
            losses, final = run(recipe, initial, inputs, targets)
            whole = {"recipe": recipe, "shape": {**SHAPE, "kv_heads": kv_heads, "tied_head": tied}, "batch": BATCH,
                     "first_ids": inputs[0, 0].tolist(), "losses": [float(f"{loss:.8g}") for loss in losses],
                     "final": {name: summary(w) for name, w in sorted(final.items())}}
            (out / f"{arm}_kv{kv_heads}.json").write_text(json.dumps(whole, separators=(",", ":")) + "\n")
            print(f"{arm}, {kv_heads} KV heads: {losses[0]:.6f} -> {losses[-1]:.6f}")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", help="of one run: see above")
    parser.add_argument("--make-golden", type=Path, metavar="OUT")
    arguments = parser.parse_args()
    if (arguments.folder is None) == (arguments.make_golden is None):
        parser.error("give a folder, or --make-golden")
    return arguments


def main():
    arguments = parse_arguments()
    torch.set_num_threads(1)
    if arguments.folder:
        run_folder(arguments.folder)
        return
    write_golden(arguments.make_golden, ARMS)


if __name__ == "__main__":
    main()
