"""From values to the residual stream: variances over texts."""

import numpy as np
import torch
from scipy.stats import kendalltau, rankdata, spearmanr

from .numbers import drawn, estimate, pseudo_values
from .passes import attention_to, excess, forward

LAST = 31  # of a curve over positions


def variances(x):
    """x [B, T, N] -> [T]: over sequences, unbiased, mean over the N dimensions, of positions 0 to 31"""
    return x[:, : LAST + 1].var(0, ddof=1).mean(-1)


def log_first_to_rest(curve):
    return np.log(curve[0] / curve[1:].mean())


def decay(curve):
    return spearmanr(np.arange(len(curve)), curve).statistic


def variance_discrepancy(model, claim):
    trace = forward(model, claim.ids(), {"heads": (1, 2)})
    result = {}
    for layer, suffix in ((2, ""), (1, "_layer1")):
        o = trace("heads", layer)
        ratio = pseudo_values(lambda b: log_first_to_rest(variances(o[b])), len(o))
        falls = pseudo_values(lambda b: decay(variances(o[b])), len(o))
        result["log_variance_ratio_first_to_rest" + suffix] = estimate(ratio)
        result["variance_decay_spearman" + suffix] = estimate(falls, -1, 1)
    return {None: result}


def discrepancy_amplification(model, claim):
    def stands_out(x):
        logs = np.log(variances(x))
        return logs[0] - logs[1:].mean()

    def gain(stage):
        layer = stage.spikes[0]
        trace = forward(model, claim.ids(), {"projected": [layer], "written": [layer]})
        w_o, ffn = trace("projected", layer), trace("written", layer)
        return estimate(pseudo_values(lambda b: stands_out(ffn[b]) - stands_out(w_o[b]), len(ffn)))

    return {stage.name: {"log_variance_ratio_gain": gain(stage)} for stage in claim.stages()}


class MeanTau:
    """Mean over outputs i of tau-b of |W_O[i, j]| with the variance of input j: one pass over all pairs, once."""

    def __init__(self, weight):
        magnitude = np.abs(weight)  # [D, H K]
        self.order = np.zeros((magnitude.shape[1],) * 2)
        for row in magnitude:
            sign = np.sign(row[:, None] - row)
            self.order += sign / np.sqrt((sign != 0).sum()) / len(magnitude)

    def __call__(self, spread):
        sign = np.sign(spread[:, None] - spread)
        return (sign * self.order).sum() / np.sqrt((sign != 0).sum())


def exact_variances(model, claim):
    """[G, K]: of the value vectors of layer 2 over ordinary ids, each the only token of a sequence"""
    ids = claim.ids("one_token_each")
    value = np.concatenate([forward(model, part, {"value": [2]})("value", 2) for part in ids.split(4096)])
    return value[:, :, 0].var(0, ddof=1)


def output_projection_alignment(model, claim, draws=6):
    weight = model.weight(model.block(2).self_attn.o_proj)
    spread, generator = exact_variances(model, claim), np.random.default_rng(20261)
    of = MeanTau(weight)
    shared = lambda by_value: np.repeat(by_value, model.heads // model.groups, axis=0).ravel()  # [H K]
    tau = of(shared(spread))
    plain = np.mean([kendalltau(row, shared(spread)).statistic for row in np.abs(weight[:32])])
    if abs(MeanTau(weight[:32])(shared(spread)) - plain) > 1e-9:
        raise RuntimeError("tau of all pairs is not scipy's tau-b")

    def reached():
        count = claim.parameters["permutations"]
        permuted = (np.stack([generator.permutation(row) for row in spread]) for _ in range(count))
        return {"permutations_reaching_tau": sum(of(shared(one)) >= tau for one in permuted)}

    o = forward(model, claim.ids(), {"projected": [2]})("projected", 2)
    after = pseudo_values(lambda b: log_first_to_rest(variances(o[b])), len(o))
    result = {"kendall_tau_exact": tau, "log_variance_ratio_after": estimate(after)}
    return {None: result | drawn(reached, draws)}


def head_imbalance(model, claim):
    trace = forward(model, claim.ids(), {"heads": (1, 2), "attention": (1, 2)})
    by_layer = []
    for layer in (1, 2):
        a, o = trace("attention", layer)[:, :, 1:], trace("heads", layer)
        entropy = -(a * np.log(np.where(a > 0, a, 1))).sum(-1).mean(-1)  # [B, H]
        away = (o - o.mean(0)).reshape(*o.shape[:2], model.heads, -1)[:, 1:]
        deviation = (away**2).sum(-1).mean(1)  # [B, H]
        by_layer.append([spearmanr(e, d).statistic for e, d in zip(entropy, deviation)])
    return {None: {"entropy_deviation_spearman": float(np.mean(by_layer))}}


def area_under_curve(scores, positive):
    ranks = rankdata(scores)
    n = positive.sum()
    return (ranks[positive].sum() - n * (n + 1) / 2) / (n * (len(scores) - n))


def position_bias(model, claim):
    """The scores are deviations from the mean over all sequences; blocks leave out sequences, not their part in it."""
    ids, survey = claim.ids(), claim.survey()
    layers = range(1, survey.sinks[0])
    trace = forward(model, ids, {"heads": layers, "attention": survey.sinks})
    length = ids.shape[1]
    positions = range(1, length - claim.parameters["queries"])
    received = [excess(attention_to(trace, k, survey.sinks), length, k) for k in positions]
    sink = np.stack(received, 1) >= claim.parameters["secondary_excess"]  # [B, P]
    logs = []
    for layer in layers:
        o = trace("heads", layer)
        logs.append(np.log(((o - o.mean(0)) ** 2).sum(-1)))
    score = np.mean(logs, axis=0)[:, list(positions)]  # [B, P]
    values = pseudo_values(lambda b: area_under_curve(score[b].ravel(), sink[b].ravel()), len(ids))
    return {None: {"secondary_sink_auc": estimate(values, 0, 1)}}
