#!/usr/bin/env python3
"""Reference values of the mechanism and intervention claims from `transformers`, without any code of this project.

    mechanism_reference.py --gguf MODEL.gguf --tokens IDS.jsonl --survey RUN/survey.json --out REFERENCE.json

IDS.jsonl has one JSON array of token ids per line, all of one length, as for `replicate --tokens`; the layers,
neurons and dimensions come from the survey of a run. Writes {"inputs": ..., "claims": {claim: {metric: value}}};
a metric of one layer or neuron is named `name[layer=12]`, `name[layer=12,neuron=1229]`. compare_metrics.py
compares a run with it. Every activation is kept: meant for about 1000 tokens (3.5 GB, two minutes).

How the definitions are read where words leave room:
- Quotients are quotients of averages over sequences. "Sink layers behind the spike": sink layers > the dominant one.
- `kendall_tau_mean`: for each output i of W_O, tau-b of its absolute weights |W_O[i, j]| with the variance of input j
  at position 0; the mean over i. `_rest`: with the mean variance at positions 10-30.
- `positive_score_share`: queries q >= 1 with q.k_0 > 0. `_rest`: mean over positions 1-31 and queries behind them,
  v1 being that of all queries >= 1. Scores are scaled by 1 / sqrt K everywhere.
- `activation_first`, `activation_rest_max`: means of |z|; `up_activation_*`, `gate_cosine_*`: signed means.
- variance_scaling: mu and the norms are those of the concatenated heads; o is that of the changed forward itself.
- side_effects: the mask intervention, the dominant spike's neurons. `other_activation_share`: mean over sequences
  of the largest |z| at positions other than 0 and k / mean |z| at k; the mean over neurons.
- disparity_mediation clamps the input of the layer behind the dominant spike, there only; unsuffixed: the top 4
  dimensions; `_every_layer`: these in every later layer input, too.
- falsification's `mean`: over all positions of the sequence, position 0 included.
- rotation: `attention_to_first_change` is the mean over sequences of the absolute change of the sink layers' mean.
"""

import argparse
import copy
import json
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from scipy.stats import kendalltau, kurtosis, spearmanr
from transformers.models.llama import modeling_llama

from transformers_reference import RowMask, additive_mask, ids_hash, load_model, number, read_ids, uniform

LAST = 31  # "the rest" of a curve over positions: 1-31
LAMBDAS = (1, 2, 3, 4, 6, 8)
ROTATIONS = 8  # dominance depends on the rotation drawn: report the spread over a few


class Survey:
    """Layers count from 1."""

    def __init__(self, path):
        data = json.loads(Path(path).read_text())
        self.onset, self.sinks = data["onset_layer"], data["sink_layers"]
        self.dominant, self.writers = data["dominant_spike"], data["writers"]
        self.late_sinks = [layer for layer in self.sinks if layer > self.dominant]

    def dominant_writer(self):
        return next(w for w in self.writers if w["layer"] == self.dominant)


# --- forward -------------------------------------------------------------------------------------------------


@dataclass
class Trace:
    """Everything one forward leaves behind, float32; lists are over layers. H heads of width K, G KV heads."""

    hidden: list = field(default_factory=list)  # [B, T, D]: inputs of layers 1..L, then the last block's output
    attention: list = field(default_factory=list)  # [B, H, T, T]
    query: list = field(default_factory=list)  # [B, H, T, K], after RoPE
    key: list = field(default_factory=list)  # [B, G, T, K], after RoPE
    value: list = field(default_factory=list)  # [B, G, T, K]
    heads: list = field(default_factory=list)  # [B, T, H K]: what W_O reads
    ffn_input: list = field(default_factory=list)  # [B, T, D]: after the FFN's RMSNorm, gain included
    activation: list = field(default_factory=list)  # [B, T, F]: silu(gate) up, what W_down reads
    loss: np.ndarray | None = None  # [B], nats per token


LISTS = ("hidden", "attention", "query", "key", "value", "heads", "ffn_input", "activation")


def run(model, ids, edits=(), row=None, last=None, onto=None, with_loss=False):
    """`edits`: (module, function of the module's input) pairs. `last`: stop behind this layer. `onto` = (trace, layer):
    take over what comes before `layer` from `trace`; for edits that change nothing there."""
    base, first = onto or (None, 1)
    trace = Trace()
    for name in LISTS if base else ():
        getattr(trace, name).extend(getattr(base, name)[: first - 1])
    eager, blocks = modeling_llama.eager_attention_forward, model.model.layers
    mask = additive_mask(ids.shape[1], torch.float32)

    def attend(module, query, key, value, *args, **kwargs):
        for kept, x in ((trace.query, query), (trace.key, key), (trace.value, value)):
            kept.append(x)
        out, weights = eager(module, query, key, value, *args, **kwargs)
        trace.attention.append(weights)
        return out, weights

    def change_row(_module, args, kwargs):
        return args, {**kwargs, "attention_mask": additive_mask(ids.shape[1], torch.float32, row)}

    with ExitStack() as undo, torch.no_grad():
        before = lambda module, f, **how: undo.callback(module.register_forward_pre_hook(f, **how).remove)
        for module, function in edits:
            before(module, lambda _m, args, function=function: (function(args[0].clone()), *args[1:]))
        for layer, block in enumerate(blocks, start=1):
            for kept, module in (
                (trace.hidden, block),
                (trace.heads, block.self_attn.o_proj),
                (trace.ffn_input, block.mlp),
                (trace.activation, block.mlp.down_proj),
            ):
                before(module, lambda _m, args, kept=kept: kept.append(args[0]))
            if row is not None and layer in (row.layers or [layer]):
                before(block.self_attn, change_row, with_kwargs=True)
        before(model.model.norm, lambda _m, args: trace.hidden.append(args[0]))
        undo.callback(setattr, modeling_llama, "eager_attention_forward", eager)
        undo.callback(setattr, model.model, "layers", blocks)
        modeling_llama.eager_attention_forward = attend
        model.model.layers = blocks[first - 1 : last]
        start = base.hidden[first - 1] if base else model.model.embed_tokens(ids)
        final = model.model(inputs_embeds=start, attention_mask=mask, use_cache=False).last_hidden_state
        if with_loss:
            trace.loss = loss(model, final, ids)
    return trace


def loss(model, final, ids):
    """[B]: mean cross-entropy of the next token."""
    one = lambda x, row: torch.nn.functional.cross_entropy(model.lm_head(x[:-1]).double(), row[1:]).item()
    return np.array([one(x, row) for x, row in zip(final, ids)])


def exact(x):
    return x.double().numpy()


def attention_to(trace, key, after, layers):
    """[B]: column `key`, averaged over queries > `after`, heads and `layers`."""
    return np.mean([exact(trace.attention[l - 1][:, :, after + 1 :, key]).mean((1, 2)) for l in layers], axis=0)


def set_at(position, values, indices):
    """An edit: components `indices` of `position` (a number or a slice) become `values`."""

    def change(x):
        x[:, position, indices] = values
        return x

    return change


def per_layer(name, layer):
    return f"{name}[layer={layer}]"


# --- where the variance comes from ---------------------------------------------------------------------------


def variance(x):
    """x [B, T, N] -> [T]: over sequences, unbiased, mean over the N dimensions."""
    return exact(x).var(0, ddof=1).mean(-1)


def first_to_rest(curve):
    return curve[0] / curve[1 : LAST + 1].mean()


def predicted_variance(attention, value):
    """attention [B, H, T, T], value [B, G, T, K] -> ([T], [T]): means over heads; independent values, correlated ones."""
    attention, value = exact(attention), exact(value)
    heads, length = attention.shape[1:3]
    value = value - value.mean((0, 2), keepdims=True)
    value = np.repeat(value, heads // value.shape[1], axis=1)  # [B, H, T, K]
    spread = (value**2).mean((0, 2, 3))  # [H]
    independent = ((attention**2).sum(-1).mean(0) * spread[:, None]).mean(0)
    products = np.einsum("bhjk,bhik->hji", value, value) / (value.shape[0] * value.shape[3])  # [H, T, T]
    distance = np.abs(np.subtract.outer(np.arange(length), np.arange(length)))
    covariance = np.zeros_like(products)  # C(|j - k|) at j, k
    for d in range(length):
        covariance[:, distance == d] = np.diagonal(products, d, 1, 2).mean(1)[:, None]
    correlated = np.einsum("bhqj,hji,bhqi->hq", attention, covariance, attention, optimize=True) / len(attention)
    return independent, correlated.mean(0)


def r_squared(observed, predicted):
    observed, predicted = (np.log(x[1 : LAST + 1]) for x in (observed, predicted))
    return 1 - ((observed - predicted) ** 2).sum() / ((observed - observed.mean()) ** 2).sum()


def variance_discrepancy(trace):
    result = {}
    for layer in (1, 2):
        observed = variance(trace.heads[layer - 1])
        independent, correlated = predicted_variance(trace.attention[layer - 1], trace.value[layer - 1])
        positions = min(LAST + 1, len(observed))
        rank = spearmanr(np.arange(positions), observed[:positions]).statistic
        result[per_layer("variance_ratio_first_to_rest", layer)] = first_to_rest(observed)
        result[per_layer("variance_position_spearman", layer)] = rank
        result[per_layer("averaging_r2", layer)] = r_squared(observed, independent)
        result[per_layer("averaging_r2_correlated", layer)] = r_squared(observed, correlated)
    # With "self only" attention the first layer's outputs are its values, whose KV heads have equal group sizes.
    alone = trace.value[0].transpose(1, 2).flatten(2)  # [B, G, T, K] -> [B, T, G K]
    result["variance_ratio_self_only"] = first_to_rest(variance(alone))
    return result


def mean_tau(weight, spread):
    """weight [D, H K], spread [H K]"""
    return np.mean([kendalltau(row, spread).statistic for row in np.abs(weight)])


def output_projection_alignment(model, trace):
    result = {}
    for layer in (1, 2):
        heads = trace.heads[layer - 1].double()
        weight = model.model.layers[layer - 1].self_attn.o_proj.weight.detach().double()
        by_dimension = heads.numpy().var(0, ddof=1)  # [T, H K]
        result[per_layer("kendall_tau_mean", layer)] = mean_tau(weight.numpy(), by_dimension[0])
        result[per_layer("kendall_tau_mean_rest", layer)] = mean_tau(weight.numpy(), by_dimension[10:31].mean(0))
        result[per_layer("variance_ratio_before", layer)] = first_to_rest(variance(heads))
        result[per_layer("variance_ratio_after", layer)] = first_to_rest(variance(heads @ weight.T))
    return result


# --- super neurons -------------------------------------------------------------------------------------------


def outlier_z(norms):
    logs = np.log(norms)
    deviation = logs - np.median(logs)
    return deviation / (1.4826 * np.median(np.abs(deviation)))


def cosine(a, b):
    return (a * b).sum(-1) / (np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1))


def neuron_statistics(model, trace, layer):
    """name -> [F] for the FFN of `layer`."""
    block = model.model.layers[layer - 1]
    gain = exact(block.post_attention_layernorm.weight.detach())
    gate, up, down = (exact(m.weight.detach()) for m in (block.mlp.gate_proj, block.mlp.up_proj, block.mlp.down_proj))
    x, z = exact(trace.ffn_input[layer - 1]), exact(trace.activation[layer - 1])  # [B, T, D], [B, T, F]
    magnitude, energy = np.abs(z), np.sort(down**2, axis=0)
    y = z[:, 0] @ down.T  # [B, D]: what the FFN adds at position 0
    lift = x @ up.T
    towards = (x @ gate.T) / np.linalg.norm(x, axis=-1, keepdims=True) / np.linalg.norm(gate, axis=-1)
    first, rest = magnitude[:, 0].mean(0), magnitude[:, 1:].max(1).mean(0)
    return {
        "gate_norm_z": outlier_z(np.linalg.norm(gate * gain, axis=1)),
        "up_norm_z": outlier_z(np.linalg.norm(up * gain, axis=1)),
        "activation_first": first,
        "activation_rest_max": rest,
        "selectivity": first / rest,
        "up_activation_first": lift[:, 0].mean(0),
        "up_activation_rest": lift[:, 1:].mean((0, 1)),
        "gate_cosine_first": towards[:, 0].mean(0),
        "gate_cosine_rest": towards[:, 1:].mean((0, 1)),
        "contribution": first * np.linalg.norm(down, axis=0),
        "down_kurtosis": kurtosis(down, axis=0, fisher=False),
        "down_top_share": energy[-2:].sum(0) / energy.sum(0),
        "outlier_dimension": np.abs(down).argmax(0),
        "written_share": (z[:, 0] * (y @ down) / (y**2).sum(-1, keepdims=True)).mean(0),
    }


def super_neuron_alignment(model, trace, survey):
    result = {}
    for writer in survey.writers:
        layer = writer["layer"]
        statistics = neuron_statistics(model, trace, layer)
        s = statistics
        typical = np.median(s["down_kurtosis"])
        outlier = (s["gate_norm_z"] > 3) & (s["up_norm_z"] > 3) & (s["down_kurtosis"] > 10 * typical)
        result[per_layer("super_neuron_count", layer)] = int((outlier & (s["selectivity"] > 10)).sum())
        result[per_layer("down_kurtosis_median", layer)] = typical
        result[per_layer("written_energy_share", layer)] = s["written_share"][writer["neurons"]].sum()
        result[per_layer("written_energy_share_matched", layer)] = s["written_share"][writer["matched_neurons"]].sum()
        for name, values in statistics.items():
            for neuron in writer["neurons"]:
                result[f"{name}[layer={layer},neuron={neuron}]"] = values[neuron]
    return result


# --- queries and keys, heads ---------------------------------------------------------------------------------


def lock_one_layer(query, key):
    """query [B, H, T, K], key [B, G, T, K] -> name -> [B, H, T]: each position as the key, queries behind it."""
    query, key = query.double(), key.double()
    length, width = query.shape[2:]
    key = key.repeat_interleave(query.shape[1] // key.shape[1], dim=1)
    direction = torch.linalg.svd(query[:, :, 1:], full_matrices=False).Vh[:, :, 0]  # [B, H, K]
    sign = (query[:, :, 1:] @ direction[..., None]).mean((2, 3)).sign()
    direction = direction * sign[..., None]
    alignment = torch.nn.functional.cosine_similarity(key, direction[:, :, None], dim=-1)
    score = query @ key.transpose(2, 3) / width**0.5  # [B, H, query, key]
    visible = torch.ones(length, length, dtype=torch.bool).tril()
    total = score.masked_fill(~visible, -torch.inf).logsumexp(-1, keepdim=True)
    others = total + torch.log1p(-torch.exp(torch.where(visible, score - total, -1.0)))  # without the key itself
    behind = torch.ones(length, length, dtype=torch.bool).tril(-1)
    mean = lambda x: (x.where(behind, 0.0).sum(2) / behind.sum(0)).numpy()  # over queries behind the key
    return {
        "positive_score_share": mean((score > 0).double()),
        "key_query_alignment": alignment.numpy(),
        "score_margin": mean(score - others),
    }


def key_constancy(key):
    """key [B, G, T, K] -> [G, T]: mean cosine between different sequences."""
    unit = torch.nn.functional.normalize(key.double(), dim=-1).numpy()
    sequences = len(unit)
    # |sum of unit vectors|^2 = B + the sum over ordered pairs
    return ((unit.sum(0) ** 2).sum(-1) - sequences) / (sequences * (sequences - 1))


def first_and_rest(name, values):
    """values [..., T]; the last position has no query behind it."""
    last = min(LAST, values.shape[-1] - 2)
    return {name: values[..., 0].mean(), name + "_rest": values[..., 1 : last + 1].mean()}


def lock_layers(trace, layers):
    parts = [lock_one_layer(trace.query[l - 1], trace.key[l - 1]) for l in layers]
    result = {}
    for name in parts[0]:
        result |= first_and_rest(name, np.stack([part[name] for part in parts]))
    result |= first_and_rest("key_constancy", np.stack([key_constancy(trace.key[l - 1]) for l in layers]))
    by_head = lambda name: np.stack([part[name][..., 0].mean(0) for part in parts]).ravel()
    rank = spearmanr(by_head("key_query_alignment"), by_head("positive_score_share")).statistic
    return result | {"alignment_positivity_spearman": rank}


def qk_locking(trace, survey):
    first_layer = lock_layers(trace, [1])
    result = lock_layers(trace, survey.sinks)
    for name in ("positive_score_share", "key_query_alignment", "key_constancy", "score_margin"):
        result[per_layer(name, 1)] = first_layer[name]
    return result


def head_imbalance(trace):
    ranks = []
    for attention, heads in zip(trace.attention, trace.heads):
        a = exact(attention)[:, :, 1:]
        entropy = -(a * np.log(np.where(a > 0, a, 1))).sum(-1).mean((0, 2))  # [H]
        by_head = exact(heads).reshape(*heads.shape[:2], len(entropy), -1)  # [B, T, H K] -> [B, T, H, K]
        spread = by_head[:, 1:].var(0, ddof=1).mean((0, 2))  # [H]
        ranks.append(spearmanr(entropy, spread).statistic)
    return {"entropy_variance_spearman": np.mean(ranks)}


# --- interventions at the target -----------------------------------------------------------------------------


def affine_edits(model, trace, layers, target, change):
    """Head outputs of `target`: o -> change(o, mu), mu their mean over sequences in the untouched model."""

    def edit(mu):
        def apply(x):
            x[:, target] = change(x[:, target].double(), mu).float()
            return x

        return apply

    blocks = model.model.layers
    means = {layer: trace.heads[layer - 1][:, target].double().mean(0) for layer in layers}
    return [(blocks[layer - 1].self_attn.o_proj, edit(means[layer])) for layer in layers]


def variance_scaling(model, ids, trace, survey, target):
    early, largest = list(range(1, survey.onset)), LAMBDAS[-1]
    amplified = lambda o, mu, factor: mu + factor * (o - mu)
    norm = lambda o: o.norm(dim=-1, keepdim=True)
    changes = {
        "variance": lambda o, mu: amplified(o, mu, largest),
        "norm": lambda o, mu: largest * o,
        "norm_matched": lambda o, mu: o * norm(amplified(o, mu, largest)) / norm(o),
    }
    early_only = RowMask(target, [target], early)  # seeing only itself there, o_k = v_k
    lanes = {name: (affine_edits(model, trace, early, target, change), None) for name, change in changes.items()}
    lanes["own_value"] = ((), early_only)
    result, curve = {}, []
    for name, (edits, row) in lanes.items():
        lane = run(model, ids, edits, row)
        level = lambda key, layers: attention_to(lane, key, target, layers).mean()
        result[f"attention_to_target_{name}"] = level(target, [survey.onset])
        result[f"attention_to_target_{name}_sink_mean"] = level(target, survey.sinks)
        if name == "variance":
            result["target_to_first_ratio"] = level(target, [survey.onset]) / level(0, [survey.onset])
    for factor in LAMBDAS:
        edits = affine_edits(model, trace, early, target, lambda o, mu: amplified(o, mu, factor))
        lane = run(model, ids, edits, last=survey.onset)
        curve.append(attention_to(lane, target, target, [survey.onset]).mean())
    result["variance_lambda_spearman"] = spearmanr(LAMBDAS, curve).statistic
    return result


def other_columns(trace, layer, target):
    """[B, H, q, k]: rows behind the target without columns 0 and `target`, renormalised."""
    a = exact(trace.attention[layer - 1])[:, :, target + 1 :]
    a[..., [0, target]] = 0
    return a / a.sum(-1, keepdims=True)


def entropy(p):
    return -(p * np.log(np.where(p > 0, p, 1))).sum(-1).mean()


def side_effects(trace, masked, survey, target):
    writer = survey.dominant_writer()
    z = np.abs(exact(masked.activation[writer["layer"] - 1][..., writer["neurons"]]))  # [B, T, neurons]
    still = np.abs(exact(trace.activation[writer["layer"] - 1][..., writer["neurons"]]))
    others = [t for t in range(1, z.shape[1]) if t != target]
    at_target = z[:, target].mean(0)
    before = [other_columns(trace, layer, target) for layer in survey.sinks]
    after = [other_columns(masked, layer, target) for layer in survey.sinks]
    changes = [(a - b)[:, :target].abs().max().item() for a, b in zip(masked.hidden, trace.hidden)]
    return {
        "largest_change_before_target": max(changes),
        "target_activation_to_first": (at_target / z[:, 0].mean(0)).mean(),
        "other_activation_share": (z[:, others].max(1).mean(0) / at_target).mean(),
        "other_activation_share_before": (still[:, others].max(1).mean(0) / at_target).mean(),
        "other_activation_change_share": (np.abs(z - still)[:, others].max(1).mean(0) / at_target).mean(),
        "total_variation_change": np.mean([np.abs(a - b).sum(-1).mean() / 2 for a, b in zip(after, before)]),
        "other_attention_entropy_before": np.mean([entropy(p) for p in before]),
        "other_attention_entropy_after": np.mean([entropy(p) for p in after]),
    }


def removed(model, ids, trace, masked, survey, target, edits):
    """Share of the induced attention that `edits`, in the dominant spike's layer or behind it, remove under the mask."""
    clamped = run(model, ids, edits, RowMask(target, [target]), onto=(masked, survey.dominant))
    level = lambda t: attention_to(t, target, target, survey.late_sinks).mean()
    return 1 - (level(clamped) - level(trace)) / (level(masked) - level(trace))


def super_neuron_mediation(model, ids, trace, masked, survey, target):
    writer, result = survey.dominant_writer(), {}
    index = writer["layer"] - 1
    for name, neurons in (("attention_removed", "neurons"), ("attention_removed_matched", "matched_neurons")):
        clamp = set_at(target, trace.activation[index][:, target, writer[neurons]], writer[neurons])
        edits = [(model.model.layers[index].mlp.down_proj, clamp)]
        result[name] = removed(model, ids, trace, masked, survey, target, edits)
    return result


def disparity_mediation(model, ids, trace, masked, survey, target):
    writer, result = survey.dominant_writer(), {}
    blocks = [*model.model.layers, model.model.norm]

    def clamps(dimensions, layers):
        value = lambda layer: trace.hidden[layer - 1][:, target, dimensions]
        return [(blocks[layer - 1], set_at(target, value(layer), dimensions)) for layer in layers]

    behind = [writer["layer"] + 1]
    every = list(range(behind[0], len(blocks)))
    for suffix, names in (("", "dimensions"), ("_matched", "matched_dimensions")):
        for count in (2, 4):
            edits = clamps(writer[names][:count], behind)
            value = removed(model, ids, trace, masked, survey, target, edits)
            result[f"attention_removed_top{count}{suffix}"] = value
        edits = clamps(writer[names], every)
        result[f"attention_removed_every_layer{suffix}"] = removed(model, ids, trace, masked, survey, target, edits)
        result[f"attention_removed{suffix}"] = result[f"attention_removed_top4{suffix}"]
    return result


# --- interventions at position 0 and on the weights ----------------------------------------------------------


def falsification(model, ids, trace, survey):
    writer = survey.dominant_writer()
    index, neurons = writer["layer"] - 1, writer["neurons"]
    down = model.model.layers[index].mlp.down_proj
    mean = exact(trace.activation[index][..., neurons]).mean(1)  # [B, neurons]
    edits = {
        "zero": set_at(0, 0.0, neurons),
        "zero_elsewhere": set_at(slice(1, None), 0.0, neurons),
        "zero_matched": set_at(0, 0.0, writer["matched_neurons"]),
        "mean": set_at(0, torch.from_numpy(mean).float(), neurons),
    }
    level = lambda t: attention_to(t, 0, 0, survey.late_sinks).mean()
    result = {"attention_to_first": level(trace), "loss": trace.loss.mean()}
    for name, edit in edits.items():
        lane = run(model, ids, [(down, edit)], onto=(trace, survey.dominant), with_loss=name == "zero")
        result[f"attention_to_first_{name}"] = level(lane)
        result[f"attention_drop_{name}"] = 1 - level(lane) / level(trace)
        if lane.loss is not None:
            result[f"loss_{name}"] = lane.loss.mean()
    return result


def sink_source(model, ids, trace, survey, target):
    """Only what the ids allow: they carry no BOS, so position 0 holds an ordinary token."""
    swapped = ids.clone()
    swapped[:, 0], swapped[:, target] = ids[:, target], ids[:, 0]
    u = uniform(ids.shape[1])
    result = {}
    for name, lane in (("plain", trace), ("swapped", run(model, swapped))):
        level = attention_to(lane, 0, 0, survey.sinks).mean()
        result[f"attention_to_first_{name}"] = level
        result[f"excess_attention_{name}"] = (level - u) / (1 - u)
    return result


def random_rotation(width, generator):
    """Haar-distributed orthogonal matrix, float64."""
    q, r = torch.linalg.qr(torch.randn(width, width, generator=generator, dtype=torch.float64))
    return q * r.diagonal().sign()


def rotated_model(model, rotation):
    """The same function with the residual stream h -> h R: gains folded into what reads it, weights in float64."""
    other = copy.deepcopy(model)

    def store(linear, weight):
        linear.weight = torch.nn.Parameter(weight.float(), requires_grad=False)

    def read(linear, gain):
        store(linear, linear.weight.double() * gain.double() @ rotation)

    def write(linear):
        store(linear, rotation.T @ linear.weight.double())

    with torch.no_grad():
        store(other.lm_head, model.lm_head.weight.double() * model.model.norm.weight.double() @ rotation)
        store(other.model.embed_tokens, model.model.embed_tokens.weight.double() @ rotation)
        other.model.norm.weight.fill_(1)
        for block in other.model.layers:
            for name in ("q_proj", "k_proj", "v_proj"):
                read(getattr(block.self_attn, name), block.input_layernorm.weight)
            for linear in (block.mlp.gate_proj, block.mlp.up_proj):
                read(linear, block.post_attention_layernorm.weight)
            write(block.self_attn.o_proj)
            write(block.mlp.down_proj)
            block.input_layernorm.weight.fill_(1)
            block.post_attention_layernorm.weight.fill_(1)
    return other


def dominance_over_rest(trace, layers, rotation=None):
    first, rest = [], []
    for layer in layers:
        h = trace.hidden[layer - 1] if rotation is None else trace.hidden[layer - 1] @ rotation.float()
        magnitude = np.abs(exact(h))
        ratio = magnitude.max(-1) / magnitude.mean(-1)  # [B, T]
        first.append(ratio[:, 0].mean())
        rest.append(ratio[:, 1:].mean())
    return np.mean(first) / np.mean(rest)


def rotation(model, ids, trace, survey):
    generator = torch.Generator().manual_seed(20240707)
    matrices = [random_rotation(model.config.hidden_size, generator) for _ in range(ROTATIONS)]
    lane = run(rotated_model(model, matrices[0]), ids, with_loss=True)
    change = attention_to(lane, 0, 0, survey.sinks) - attention_to(trace, 0, 0, survey.sinks)
    measured = dominance_over_rest(lane, survey.sinks)
    # Rotating the recorded hidden states is the same thing; the first rotation checks it.
    spread = [dominance_over_rest(trace, survey.sinks, matrix) for matrix in matrices]
    if abs(measured / spread[0] - 1) > 1e-3:
        raise RuntimeError(f"dominance of the rotated model is {measured}, of rotated states {spread[0]}")
    return {
        "attention_to_first_change": np.abs(change).mean(),
        "loss_change": abs(lane.loss.mean() - trace.loss.mean()),
        "dominance_over_rest": dominance_over_rest(trace, survey.sinks),
        "dominance_over_rest_rotated": {"value": np.mean(spread), "low": min(spread), "high": max(spread)},
    }


# --- output --------------------------------------------------------------------------------------------------


def claims(model, ids, survey, target):
    trace = run(model, ids, with_loss=True)
    yield "variance_discrepancy", variance_discrepancy(trace)
    yield "output_projection_alignment", output_projection_alignment(model, trace)
    yield "head_imbalance", head_imbalance(trace)
    if survey.writers:
        yield "super_neuron_alignment", super_neuron_alignment(model, trace, survey)
    if not survey.sinks:
        return
    yield "qk_locking", qk_locking(trace, survey)
    yield "sink_source", sink_source(model, ids, trace, survey, target)
    yield "rotation", rotation(model, ids, trace, survey)
    if survey.onset > 1:
        yield "variance_scaling", variance_scaling(model, ids, trace, survey, target)
    if survey.late_sinks and survey.dominant:
        yield "falsification", falsification(model, ids, trace, survey)
        masked = run(model, ids, row=RowMask(target, [target]))
        yield "side_effects", side_effects(trace, masked, survey, target)
        yield "super_neuron_mediation", super_neuron_mediation(model, ids, trace, masked, survey, target)
        yield "disparity_mediation", disparity_mediation(model, ids, trace, masked, survey, target)


def rounded(value):
    return {key: number(v) for key, v in value.items()} if isinstance(value, dict) else number(value)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gguf", required=True, help="model file")
    parser.add_argument("--tokens", required=True, help="JSON Lines, one array of ids per sequence")
    parser.add_argument("--survey", required=True, help="survey.json of a run")
    parser.add_argument("--out", help="reference file to write; printed otherwise")
    parser.add_argument("--target", type=int, default=10, help="position of the interventions (default: 10)")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--loader", choices=("auto", "transformers", "gguf"), default="auto")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    ids = read_ids(arguments.tokens)
    if ids.shape[1] < arguments.target + 2 or len(ids) < 2:
        raise SystemExit(f"{arguments.tokens}: two sequences or more, longer than the target's position + 1")
    model, loader = load_model(arguments.gguf, arguments.loader)
    model.requires_grad_(False)
    survey = Survey(arguments.survey)
    found = claims(model, torch.from_numpy(ids), survey, arguments.target)
    result = {
        "loader": loader,
        "inputs": {"sequences": ids.shape[0], "length": ids.shape[1], "sha256": ids_hash(ids)},
        "target": arguments.target,
        "dominant_spike": survey.dominant,
        "claims": {claim: {name: rounded(v) for name, v in metrics.items()} for claim, metrics in found},
    }
    text = json.dumps(result, indent=1, allow_nan=False) + "\n"
    if arguments.out:
        Path(arguments.out).write_text(text)
    else:
        print(text, end="")


if __name__ == "__main__":
    main()
