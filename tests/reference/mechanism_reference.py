#!/usr/bin/env python3
"""Reference values of the mechanism and intervention claims from `transformers`, without any code of this project.

    mechanism_reference.py --gguf MODEL.gguf --tokens IDS.jsonl --survey RUN/survey.json --out REFERENCE.json

IDS.jsonl has one JSON array of token ids per line, all of one length, as for `replicate --tokens`; the layers,
neurons and dimensions come from the survey of a run. Writes {"inputs": ..., "claims": {claim: {metric: value}}};
a metric of one layer or neuron is named `name[layer=12]`, `name[layer=12,neuron=1229]`. compare_metrics.py
compares a run with it. Every activation is kept: meant for about 1000 tokens (3.5 GB, two minutes).

How the definitions are read where words leave room:
- Where the contract leaves a choice, the choice is that of docs/measures.md, and the names are those of the records.
- Quotients are quotients of averages over sequences. "Sink layers behind the spike": sink layers > the dominant one.
- Predicted variances, C(d) and vbar are of positions 0-31 alone, whatever the length.
- `kendall_tau_mean`: for each output i of W_O, tau-b of its absolute weights |W_O[i, j]| with the variance of input j
  at position 0; the mean over i. `_over_later`: less the mean of the same at positions 10-30. What a permuted W_O
  leaves is given as the range over several draws of permutations: the run draws its own.
- `positive_score_share`: queries q >= 1 with q.k_0 > 0. `_others`: mean over positions 1-31 and queries behind them,
  v1 being that of all queries >= 1. Scores are scaled by 1 / sqrt K everywhere.
- `activation_first`, `activation_rest_max`: means of |z|; `up_activation_*`, `gate_cosine_*`: signed means.
- disparity_mediation clamps the input of the layer behind the spike, there only.

Not here: null models (random weights of the run's own), BOS and swapped tokens (the given ids carry none), largest logit differences (rounding
alone), and what claims are judged by: check_judged.py.
"""

import argparse
import json
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from scipy.stats import kendalltau, kurtosis, spearmanr

from judged.values import MeanTau
from transformers_reference import RowMask, additive_mask, ids_hash, load_model, modeling, number, read_ids, uniform

LAST = 31  # "the rest" of a curve over positions: 1-31
LAMBDA = 8


class Survey:
    """Layers count from 1."""

    def __init__(self, path):
        data = json.loads(Path(path).read_text())
        self.onset, self.sinks = data["onset_layer"], data["sink_layers"]
        self.dominant, self.writers = data["dominant_spike"], data["writers"]
        self.last = max((spike["layer"] for spike in data["spikes"]), default=0)
        self.late_sinks = self.sinks_after(self.dominant)

    def sinks_after(self, spike):
        return [layer for layer in self.sinks if layer > spike]

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


LISTS = ("hidden", "attention", "query", "key", "value", "heads", "ffn_input", "activation")


def run(model, ids, edits=(), row=None, onto=None):
    """`edits`: (module, function of the module's input) pairs. `onto` = (trace, layer):
    take over what comes before `layer` from `trace`; for edits that change nothing there."""
    base, first = onto or (None, 1)
    trace = Trace()
    for name in LISTS if base else ():
        getattr(trace, name).extend(getattr(base, name)[: first - 1])
    definition, blocks = modeling(model), model.model.layers
    eager = definition.eager_attention_forward
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
        undo.callback(setattr, definition, "eager_attention_forward", eager)
        undo.callback(setattr, model.model, "layers", blocks)
        definition.eager_attention_forward = attend
        model.model.layers = blocks[first - 1 :]
        start = base.hidden[first - 1] if base else model.model.embed_tokens(ids)
        model.model(inputs_embeds=start, attention_mask=mask, use_cache=False)
    return trace


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
    """attention [B, H, T, T], value [B, G, T, K] -> ([P], [P]): means over heads, of independent and of correlated
    values."""
    attention, value = exact(attention)[:, :, : LAST + 1, : LAST + 1], exact(value)[:, :, : LAST + 1]
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


def deviation(heads, value):
    """heads [B, T, H K], value [B, G, T, K] -> [P]: |o - vbar|^2 / (H K), mean over sequences."""
    heads, value = exact(heads)[:, : LAST + 1], exact(value)[:, :, : LAST + 1].mean((0, 2))  # [G, K]
    by_head = heads.reshape(*heads.shape[:2], -1, value.shape[-1])
    value = np.repeat(value, by_head.shape[2] // len(value), axis=0)  # [H, K]
    return ((by_head - value) ** 2).mean((0, 2, 3))


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
    result["deviation_ratio_first_to_rest"] = first_to_rest(deviation(trace.heads[0], trace.value[0]))
    return result


def mean_tau(weight, spread):
    """weight [D, H K], spread [H K]"""
    return np.mean([kendalltau(row, spread).statistic for row in np.abs(weight)])


def permuted_inputs(groups, heads, width, generator):
    """An order of W_O's inputs after a permutation of the value dimensions, which the heads of a group share."""
    source = generator.permutation(groups * width).reshape(groups, 1, width)
    source = np.broadcast_to(source, (groups, heads // groups, width))  # value dimension of each head's output
    head = source // width * (heads // groups) + np.arange(heads // groups)[None, :, None]
    return (head * width + source % width).ravel()


def spread_of(draws):
    return {"value": np.mean(draws), "low": min(draws), "high": max(draws)}


def output_projection_alignment(model, trace):
    config, result = model.config, {}
    heads, groups = config.num_attention_heads, config.num_key_value_heads
    generator = np.random.default_rng(20240708)
    for layer in (1, 2):
        o = trace.heads[layer - 1].double()
        weight = model.model.layers[layer - 1].self_attn.o_proj.weight.detach().double().numpy()
        by_dimension = o.numpy().var(0, ddof=1)  # [T, H K]
        tau, of = mean_tau(weight, by_dimension[0]), MeanTau(weight)
        if abs(of(by_dimension[0]) - tau) > 1e-9:
            raise RuntimeError(f"mean tau is {tau}, from all pairs {of(by_dimension[0])}")
        draw = lambda: permuted_inputs(groups, heads, weight.shape[1] // heads, generator)
        by_chance, after = [], first_to_rest(variance(o @ torch.from_numpy(weight.T)))
        deviations = o.numpy()[:, : LAST + 1] - o.numpy()[:, : LAST + 1].mean(0)
        for _ in range(8):
            curves = [(deviations @ weight[:, draw()].T).var(0).mean(-1) for _ in range(20)]
            by_chance.append(first_to_rest(np.mean(curves, axis=0)))
        result |= {
            per_layer("kendall_tau_mean", layer): tau,
            per_layer("kendall_tau_over_later", layer): tau - np.mean([of(by_dimension[p]) for p in range(10, 31)]),
            per_layer("variance_ratio_before", layer): first_to_rest(variance(o)),
            per_layer("variance_ratio_after", layer): after,
            per_layer("variance_ratio_after_permuted", layer): spread_of(by_chance),
            per_layer("variance_ratio_after_to_permuted", layer): spread_of([after / c for c in by_chance]),
        }
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
        "fires_elsewhere": (magnitude[:, 1:].max(1) > 0.5 * magnitude[:, 0]).mean(0),
        "down_kurtosis": kurtosis(down, axis=0, fisher=False),
        "down_top_share": energy[-2:].sum(0) / energy.sum(0),
        "outlier_dimension": np.abs(down).argmax(0),
        "written_share": (z[:, 0] * (y @ down) / (y**2).sum(-1, keepdims=True)).mean(0),
    }


def super_neuron_alignment(model, trace, survey):
    result = {}
    for writer in survey.writers:
        layer = writer["layer"]
        s = neuron_statistics(model, trace, layer)
        s["down_kurtosis_over_median"] = s["down_kurtosis"] / np.median(s["down_kurtosis"])
        for suffix, neurons in (("", writer["neurons"]), ("_matched", writer["matched_neurons"])):
            for name, values in s.items():
                result |= {f"{name}{suffix}[layer={layer},neuron={n}]": values[n] for n in neurons}
        if layer != survey.dominant:
            continue
        result["largest_written_share"] = s["written_share"].max()
    return result


# --- queries and keys, heads ---------------------------------------------------------------------------------


def lock_one_layer(query, key, weight):
    """query [B, H, T, K], key [B, G, T, K], weight [H, K, D]: W_Q with the norm's gain folded in
    -> name -> [B, H, T]: each position as the key, queries behind it."""
    query, key = query.double(), key.double()
    length, width = query.shape[2:]
    key = key.repeat_interleave(query.shape[1] // key.shape[1], dim=1)

    def alignment(direction):  # [B, H, K]
        sign = (query[:, :, 1:] @ direction[..., None]).mean((2, 3)).sign()
        return torch.nn.functional.cosine_similarity(key, (direction * sign[..., None])[:, :, None], dim=-1).numpy()

    of_queries = torch.linalg.svd(query[:, :, 1:], full_matrices=False).Vh[:, :, 0]
    of_weights = torch.linalg.svd(weight, full_matrices=False).U[:, :, 0].expand_as(of_queries)
    score = query @ key.transpose(2, 3) / width**0.5  # [B, H, query, key]
    visible = torch.ones(length, length, dtype=torch.bool).tril()
    total = score.masked_fill(~visible, -torch.inf).logsumexp(-1, keepdim=True)
    others = total + torch.log1p(-torch.exp(torch.where(visible, score - total, -1.0)))  # without the key itself
    behind = torch.ones(length, length, dtype=torch.bool).tril(-1)
    mean = lambda x: (x.where(behind, 0.0).sum(2) / behind.sum(0)).numpy()  # over queries behind the key
    return {
        "positive_score_share": mean((score > 0).double()),
        "key_query_alignment": alignment(of_queries),
        "key_query_alignment_weights": alignment(of_weights),
        "score_margin": mean(score - others),
    }


def key_constancy(key):
    """key [B, G, T, K] -> [G, T]: mean cosine between different sequences."""
    unit = torch.nn.functional.normalize(key.double(), dim=-1).numpy()
    sequences = len(unit)
    # |sum of unit vectors|^2 = B + the sum over ordered pairs
    return ((unit.sum(0) ** 2).sum(-1) - sequences) / (sequences * (sequences - 1))


def constancy_of_distinct(key, first):
    """Of position 0, over the pairs of sequences that begin with different tokens; None without such pairs."""
    unit = torch.nn.functional.normalize(key[:, :, 0].double(), dim=-1).numpy()  # [B, G, K]
    products = np.einsum("agk,bgk->ab", unit, unit) / unit.shape[1]
    differ = first[:, None] != first
    return products[differ].mean() if differ.any() else None


def first_and_others(name, values):
    """values [..., T]; the last position has no query behind it."""
    last = min(LAST, values.shape[-1] - 2)
    return {name: values[..., 0].mean(), name + "_others": values[..., 1 : last + 1].mean()}


def lock_layers(model, ids, trace, layers):
    def weight(layer):
        block = model.model.layers[layer - 1]
        folded = block.self_attn.q_proj.weight.detach().double() * block.input_layernorm.weight.detach().double()
        return folded.unflatten(0, (model.config.num_attention_heads, -1))

    parts = [lock_one_layer(trace.query[l - 1], trace.key[l - 1], weight(l)) for l in layers]
    result = {}
    for name in parts[0]:
        result |= first_and_others(name, np.stack([part[name] for part in parts]))
    del result["key_query_alignment_weights_others"]
    result |= first_and_others("key_constancy", np.stack([key_constancy(trace.key[l - 1]) for l in layers]))
    distinct = [constancy_of_distinct(trace.key[l - 1], ids[:, 0].numpy()) for l in layers]
    by_head = lambda name: np.stack([part[name][..., 0].mean(0) for part in parts]).ravel()
    share = result["positive_score_share"]
    return result | {
        "key_constancy_distinct": None if distinct[0] is None else np.mean(distinct),
        "key_constancy_over_others": result["key_constancy"] - result["key_constancy_others"],
        "positive_score_share_over_others": share - result["positive_score_share_others"],
        "alignment_positivity_spearman": spearmanr(
            by_head("key_query_alignment"), by_head("positive_score_share")
        ).statistic,
    }


def qk_locking(model, ids, trace, survey):
    result = lock_layers(model, ids, trace, survey.sinks)
    if survey.sinks[0] == 1:
        return result
    only_sinks = ("alignment_positivity_spearman", "key_constancy_others", "key_constancy_over_others")
    first_layer = lock_layers(model, ids, trace, [1]).items()
    return result | {f"{name}_layer1": value for name, value in first_layer if name not in only_sinks}


def head_imbalance(trace, survey):
    ranks = {"entropy_variance_spearman": [], "attention_to_first_variance_spearman": []}
    result = {}
    shown = [1] + [survey.sinks[len(survey.sinks) // 2]] if survey.sinks else [1]
    for layer, (attention, heads) in enumerate(zip(trace.attention, trace.heads), start=1):
        a = exact(attention)[:, :, 1:]
        of_heads = -(a * np.log(np.where(a > 0, a, 1))).sum(-1).mean((0, 2))  # [H]
        by_head = exact(heads).reshape(*heads.shape[:2], len(of_heads), -1)  # [B, T, H K] -> [B, T, H, K]
        spread = by_head[:, 1:].var(0, ddof=1).mean((0, 2))  # [H]
        ranks["entropy_variance_spearman"].append(spearmanr(of_heads, spread).statistic)
        to_first = a[..., 0].mean((0, 2))
        ranks["attention_to_first_variance_spearman"].append(spearmanr(to_first, spread).statistic)
        for h in range(len(of_heads)) if layer in shown else ():
            result[f"attention_entropy[layer={layer},head={h + 1}]"] = of_heads[h]
            result[f"head_output_variance[layer={layer},head={h + 1}]"] = spread[h]
    groups = {"": range(len(trace.attention))}
    if survey.sinks:
        groups["_sink_layers"] = [layer - 1 for layer in survey.sinks]
    if survey.onset > 1:
        groups["_before_onset"] = range(survey.onset - 1)
    for name, values in ranks.items():
        result |= {name + suffix: np.mean([values[i] for i in chosen]) for suffix, chosen in groups.items()}
    return result


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


def amplified(o, mu, factor):
    return mu + factor * (o - mu)


def entropy(p):
    return -(p * np.log(np.where(p > 0, p, 1))).sum(-1).mean()


def rows_of(trace, layer, target):
    """[B, H, q, k]: the rows behind the target, and the same without columns 0 and `target`, renormalised."""
    whole = exact(trace.attention[layer - 1])[:, :, target + 1 :]
    rest = whole.copy()
    rest[..., [0, target]] = 0
    return whole, rest / rest.sum(-1, keepdims=True)


def described(trace, survey, target):
    values = []
    for layer in survey.sinks:
        whole, rest = rows_of(trace, layer, target)
        mixing = (1 / (rest**2).sum(-1)).mean()
        values.append((entropy(whole), entropy(rest), mixing, whole[..., target].mean(), whole[..., 0].mean()))
    names = ("entropy", "entropy_rest", "mixing", "attention_to_target", "attention_to_first")
    return dict(zip(names, np.mean(values, axis=0)))


def side_effects(trace, lanes, survey, target):
    """`lanes`: "mask" and, where there are layers to amplify in, "amplify". What is described over all sink layers."""
    result = {f"{name}_untouched": value for name, value in described(trace, survey, target).items()}
    for lane, changed in lanes.items():
        total = []
        for layer in survey.sinks:
            a, b = rows_of(changed, layer, target)[1], rows_of(trace, layer, target)[1]
            total.append(np.abs(a - b).sum(-1).mean() / 2)
        result[f"total_variation_{lane}"] = np.mean(total)
        result |= {f"{name}_{lane}": value for name, value in described(changed, survey, target).items()}
    return result


class Mediation:
    """What holding something at the target leaves of an induced sink."""

    def __init__(self, model, ids, trace, survey, target):
        self.model, self.ids, self.trace, self.survey, self.target = model, ids, trace, survey, target

    def levels(self, lane, spike):
        attention = attention_to(lane, self.target, self.target, self.survey.sinks_after(spike)).mean()
        return attention, lane.hidden[spike][:, self.target].double().norm(dim=-1).mean().item()

    def removal(self, lane, edits, induced, spike, suffix, shown=True):
        """`lane`: what `edits` are added to, as for `run`."""
        held = run(self.model, self.ids, lane.edits + edits, lane.row, onto=(induced, spike))
        return self.compare(held, induced, spike, suffix, shown)

    def compare(self, held, induced, spike, suffix, shown):
        untouched, before, after = (self.levels(t, spike) for t in (self.trace, induced, held))
        result = {}
        for i, (kind, level) in enumerate((("attention", "attention_to_target"), ("norm", "target_norm"))):
            there = before[i] > untouched[i]
            share = 1 - (after[i] - untouched[i]) / (before[i] - untouched[i]) if there else None
            result[f"{kind}_removed{suffix}"] = share
            result[f"{level}_clamped{suffix}"] = after[i]
            if shown:
                result[f"{level}_untouched{suffix}"], result[f"{level}_induced{suffix}"] = untouched[i], before[i]
        return result


@dataclass
class Lane:
    edits: list = field(default_factory=list)
    row: RowMask | None = None


def mediation(model, ids, trace, lanes, survey, target, clamp, mean_at_first, kinds):
    """`clamp(writer, kind)`: the edit that holds the carriers of one kind ("" the four largest dimensions, or the neurons) at
    the target; `mean_at_first(writer)`: that gives position 0 their mean over the other positions."""
    method, writer = Mediation(model, ids, trace, survey, target), survey.dominant_writer()
    (mask, masked), result = lanes["mask"], {}
    for kind in kinds:
        result |= method.removal(mask, [clamp(writer, kind)], masked, writer["layer"], kind, kind == "")
    if len(survey.writers) > 1:
        for other in survey.writers:
            layer = other["layer"]
            if layer != writer["layer"] and survey.sinks_after(layer):
                result |= method.removal(mask, [clamp(other, "")], masked, layer, f"_spike{layer}")
        held = [clamp(other, "") for other in survey.writers]
        first = min(other["layer"] for other in survey.writers)
        lane = run(model, ids, held, mask.row, onto=(masked, first))
        result |= method.compare(lane, masked, writer["layer"], "_all", False)
    if "amplify" in lanes:
        amplify, induced = lanes["amplify"]
        result |= method.removal(amplify, [clamp(writer, "")], induced, writer["layer"], "_amplified")
    without = run(model, ids, [mean_at_first(writer)], onto=(trace, writer["layer"]))
    result["attention_to_first_untouched"] = attention_to(trace, 0, 0, survey.late_sinks).mean()
    result["attention_to_first_clamped"] = attention_to(without, 0, 0, survey.late_sinks).mean()
    return result


def super_neuron_mediation(model, ids, trace, lanes, survey, target):
    down = lambda writer: model.model.layers[writer["layer"] - 1].mlp.down_proj
    z = lambda writer: trace.activation[writer["layer"] - 1][..., writer["neurons"]]

    def clamp(writer, _kind):
        return down(writer), set_at(target, z(writer)[:, target], writer["neurons"])

    def mean_at_first(writer):
        return down(writer), set_at(0, z(writer)[:, 1:].double().mean(1).float(), writer["neurons"])

    return mediation(model, ids, trace, lanes, survey, target, clamp, mean_at_first, ("",))


def disparity_mediation(model, ids, trace, lanes, survey, target):
    blocks = [*model.model.layers, model.model.norm]

    def chosen(writer, kind):
        names = writer["dimensions"]
        if kind == "_but_top4":
            return [d for d in range(model.config.hidden_size) if d not in names[:4]]
        return names[: 2 if kind == "_top2" else 4]

    def clamp(writer, kind):
        layer, dimensions = writer["layer"], chosen(writer, kind)
        return blocks[layer], set_at(target, trace.hidden[layer][:, target, dimensions], dimensions)

    def mean_at_first(writer):
        layer, dimensions = writer["layer"], chosen(writer, "")
        mean = trace.hidden[layer][:, 1:, dimensions].double().mean(1).float()
        return blocks[layer], set_at(0, mean, dimensions)

    return mediation(model, ids, trace, lanes, survey, target, clamp, mean_at_first, ("", "_top2", "_but_top4"))


def sink_source(ids, trace, survey, target):
    """Only what the ids allow: they carry no BOS, so position 0 holds an ordinary token."""
    u, level = uniform(ids.shape[1]), attention_to(trace, 0, 0, survey.sinks).mean()
    return {
        "attention_to_first_plain": level,
        "excess_attention_plain": (level - u) / (1 - u),
        "attention_to_target_plain": attention_to(trace, target, target, survey.sinks).mean(),
    }


# --- output --------------------------------------------------------------------------------------------------


def claims(model, ids, survey, target):
    trace = run(model, ids)
    yield "variance_discrepancy", variance_discrepancy(trace)
    yield "output_projection_alignment", output_projection_alignment(model, trace)
    yield "head_imbalance", head_imbalance(trace, survey)
    if survey.writers:
        yield "super_neuron_alignment", super_neuron_alignment(model, trace, survey)
    if not survey.sinks:
        return
    yield "qk_locking", qk_locking(model, ids, trace, survey)
    yield "sink_source", sink_source(ids, trace, survey, target)
    if survey.late_sinks and survey.dominant:
        lanes = {"mask": Lane(row=RowMask(target, [target]))}
        if survey.onset > 1:
            change = lambda o, mu: amplified(o, mu, LAMBDA)
            edits = affine_edits(model, trace, range(1, survey.onset), target, change)
            lanes["amplify"] = Lane(edits=edits)
        lanes = {name: (lane, run(model, ids, lane.edits, lane.row)) for name, lane in lanes.items()}
        yield "side_effects", side_effects(trace, {name: t for name, (_, t) in lanes.items()}, survey, target)
        yield "super_neuron_mediation", super_neuron_mediation(model, ids, trace, lanes, survey, target)
        yield "disparity_mediation", disparity_mediation(model, ids, trace, lanes, survey, target)


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
