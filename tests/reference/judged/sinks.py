"""Where the sink begins, what its key looks like, and which token makes it."""

import numpy as np
import torch

from .numbers import estimate, pseudo_values
from .passes import attention_to, excess, forward, norms

LAST = 31


# --- sink_onset ----------------------------------------------------------------------------------------------


def by_layer(model, trace, length):
    """Of the first `length` tokens: excess attention [B, L]; norm of position 0 and median norm of the others [B, L], at
    the layers' inputs."""
    attention = [trace("attention", l)[:, :, 1:length, 0].mean((1, 2)) for l in range(1, model.layers + 1)]
    norm = np.stack([norms(trace("input", l)[:, :length]) for l in range(1, model.layers + 1)], 1)
    return excess(np.stack(attention, 1), length), norm[..., 0], np.median(norm[..., 1:], axis=-1)


def correlations(e, log_ratio, farthest):
    """h -> Pearson's correlation over layers l of e_l with log r_{l + h}, edge values repeated"""
    layers = np.arange(len(e))
    shifted = lambda h: log_ratio[np.clip(layers + h, 0, len(e) - 1)]
    return {h: np.corrcoef(e, shifted(h))[0, 1] for h in range(-farthest, farthest + 1)}


def first_at_least(values, threshold):
    found = np.flatnonzero(values >= threshold)
    return int(found[0]) + 1 if len(found) else None


def cells_share(model, trace, grid, longest):
    met = []
    for length in (n for n in grid["length"] if n <= longest):
        e, first, others = by_layer(model, trace, length)
        ratio = first.mean(0) / others.mean(0)
        for threshold in grid["excess"]:
            sink = first_at_least(e.mean(0), threshold)
            met += [sink is not None and sink > 1 and sink == first_at_least(ratio, r) for r in grid["ratio"]]
    return float(np.mean(met))


def sink_onset(model, claim):
    ids, every = claim.ids(), range(1, model.layers + 1)
    trace = forward(model, ids, {"attention": every, "input": every})
    e, first, others = by_layer(model, trace, min(claim.parameters["judged_length"], ids.shape[1]))
    c = [correlations(*both, claim.parameters["farthest_shift"]) for both in zip(e, np.log(first / others))]
    lead = [one[0] - max(one[h] for h in one if h) for one in c]
    return {
        None: {
            "onset_correlation": float(np.mean([one[0] for one in c])),
            "onset_correlation_lead": float(np.mean(lead)),
            "onset_cells_share": cells_share(model, trace, claim.parameters["grid"], ids.shape[1]),
        }
    }


# --- qk_locking ----------------------------------------------------------------------------------------------


def alignment(key, query, direction):
    """[B, H]: cosine of position 0's key with `direction` [B, H, K], turned so that the mean query is on its side"""
    sign = torch.einsum("bhqk,bhk->bhq", query, direction).mean(-1).sign()
    return torch.nn.functional.cosine_similarity(key[:, :, 0], direction * sign[..., None], dim=-1).numpy()


def positive_shares(key, query):
    """[B, H, T - 1]: of the queries after each key, the share with a positive score; `query` without position 0"""
    positive = (torch.einsum("bhqk,bhtk->bhqt", query, key[:, :, :-1]) > 0).double()
    after = torch.ones(positive.shape[-2:], dtype=torch.double).tril()  # query q + 1, key t
    return ((positive * after).sum(2) / after.sum(0)).numpy()


def locking(model, trace, layer):
    """name -> [B]: means over the heads"""
    key, query = trace.kept["key", layer].double(), trace.kept["query", layer].double()[:, :, 1:]
    key = key.repeat_interleave(model.heads // model.groups, dim=1)
    block = model.block(layer)
    w_q = torch.from_numpy(model.weight(block.self_attn.q_proj) * model.weight(block.input_layernorm))
    of_queries = torch.linalg.svd(query, full_matrices=False).Vh[:, :, 0]
    of_weights = torch.linalg.svd(w_q.unflatten(0, (model.heads, -1)), full_matrices=False).U[:, :, 0]
    share = positive_shares(key, query)
    return {
        "alignment": alignment(key, query, of_queries).mean(1),
        "alignment_weights": alignment(key, query, of_weights.expand_as(of_queries)).mean(1),
        "share": share[..., 0].mean(1),
        "over_others": (share[..., 0] - share[..., 1 : LAST + 1].mean(-1)).mean(1),
    }


def constancy(unit, differ):
    """unit [B, G, T, K], differ [B, B] -> [T]: mean cosine over heads and those pairs of sequences"""
    return (np.einsum("agtk,bgtk->abt", unit, unit) / unit.shape[1])[differ].mean(0)


def key_constancies(trace, layer, first):
    """Position 0's over pairs of texts that begin with different tokens; others' over all pairs."""
    key = torch.nn.functional.normalize(trace.kept["key", layer].double(), dim=-1).numpy()[:, :, : LAST + 1]

    def of_first(b):
        return constancy(key[b][:, :, :1], first[b][:, None] != first[b])[0]

    def over_others(b):
        return of_first(b) - constancy(key[b][:, :, 1:], ~np.eye(len(b), dtype=bool)).mean()

    values = (pseudo_values(statistic, len(key)) for statistic in (of_first, over_others))
    return [estimate(v, -limit, limit) for v, limit in zip(values, (1, 2))]


def qk_locking(model, claim):
    ids = claim.ids()

    def at(stage):
        layer = stage.sinks[0]
        trace = forward(model, ids, {"key": (1, layer), "query": (1, layer)})
        here = {name: float(value.mean()) for name, value in locking(model, trace, layer).items()}
        result = {
            "sink_key_alignment": here["alignment"],
            "sink_key_alignment_weights": here["alignment_weights"],
            "sink_key_positive_share": here["share"],
            "sink_key_positive_share_over_others": here["over_others"],
        }
        if stage.spikes[0] > 1:
            share = locking(model, trace, 1)["over_others"].mean()
            result["layer1_positive_share_over_others"] = float(share)
        if len(set(ids[:, 0].tolist())) >= claim.parameters["first_tokens"]:
            constant, over = key_constancies(trace, layer, ids[:, 0].numpy())
            result |= {"sink_key_constancy": constant, "sink_key_constancy_over_others": over}
        return result

    return {stage.name: at(stage) for stage in claim.stages()}


# --- sink_source ---------------------------------------------------------------------------------------------


def long_when_alone(model, claim, stage):
    """After every spike of the stage."""
    rest, times = claim.survey().rest_norm, claim.parameters["times_others"]
    inputs = [spike + 1 for spike in stage.spikes]
    long = []
    for part in claim.ids("one_token_each").split(2048):
        trace = forward(model, part, {"input": inputs})
        long.append(np.all([norms(trace("input", l)[:, 0]) >= times * rest[l - 1] for l in inputs], axis=0))
    return float(np.concatenate(long).mean())


def sink_source(model, claim):
    plain, with_bos = claim.ids(), claim.ids(claim.judged_on() + "_bos")

    def at(stage):
        passes = [(ids, forward(model, ids, {"attention": stage.sinks})) for ids in (plain, with_bos) if ids is not None]
        e = [excess(attention_to(trace, 0, stage.sinks), ids.shape[1]) for ids, trace in passes]
        result = {"long_when_alone": long_when_alone(model, claim, stage), "excess_without_bos": float(e[0].mean())}
        if len(e) > 1:
            beyond = e[0] - claim.parameters["share_of_bos"] * e[1]
            result["excess_without_bos_beyond_share"] = float(beyond.mean())
        return result

    return {stage.name: at(stage) for stage in claim.stages()}
