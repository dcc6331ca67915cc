"""What writes a spike, and what it leaves in the residual stream."""

import numpy as np

from .passes import dominance, forward, norms, top4_energy


def written_share(model, trace, layer, neurons):
    """[B]: of what the FFN writes at position 0, along itself"""
    down = model.down(layer).double().numpy()[:, neurons]
    z, y = trace("activation", layer)[:, 0][:, neurons], trace("written", layer)[:, 0]
    return (z * (y @ down)).sum(-1) / (y**2).sum(-1)


def gate_cosine_contrast(model, trace, layer, neurons):
    """[B]"""
    x, gate = trace("ffn_input", layer), model.weight(model.block(layer).mlp.gate_proj)[neurons]
    cosine = (x @ gate.T) / norms(x)[..., None] / norms(gate)
    return (cosine[:, 0] - cosine[:, 1:].mean(1)).mean(-1)


def super_neuron_alignment(model, claim):
    survey, ids = claim.survey(), claim.ids()
    apart = survey.apart
    layers = [w["spike"] for w in [*survey.writers.values(), *([apart] if apart else [])]]
    trace = forward(model, ids, {site: layers for site in ("activation", "written", "ffn_input")})
    picked = lambda w: w["by_rule"]
    share = lambda w: float(written_share(model, trace, w["spike"], w["neurons"]).mean()) if picked(w) else 0.0

    def at(writer):
        result = {"super_neurons_written_share": share(writer)}
        if picked(writer):
            contrast = gate_cosine_contrast(model, trace, writer["spike"], writer["neurons"])
            result["super_neurons_gate_cosine_contrast"] = float(contrast.mean())
        return result | ({"written_share_apart_from_spikes": share(apart)} if apart else {})

    return {stage.name: at(stage.writers[0]) for stage in claim.stages()}


def dimension_disparity(model, claim):
    factor = claim.parameters["others_factor"]

    def at(stage):
        trace = forward(model, claim.ids(), {"input": stage.sinks})
        wide, beyond, energy = [], [], []
        for layer in stage.sinks:
            h = trace("input", layer)
            d = dominance(h)
            wide.append(d[:, 0] / model.width)
            beyond.append(d[:, 0] - factor * d[:, 1:].mean(1))
            energy.append(top4_energy(h[:, 0]))
        least = lambda values: float(np.min(values, axis=0).mean())
        return {
            "dominance_per_dimension_least": least(wide),
            "dominance_beyond_others_least": least(beyond),
            "top4_energy_least": least(energy),
        }

    return {stage.name: at(stage) for stage in claim.stages()}


def effective_rank(rows):
    s = np.linalg.svd(rows, compute_uv=False)
    p = s[s > 0] / s.sum()
    return np.exp(-(p * np.log(p)).sum())


def rank_collapse(model, claim):
    massive, least = claim.parameters["massive"], claim.parameters["least_drop"]

    def at(stage):
        spike = stage.spikes[0]
        trace = forward(model, claim.ids(), {"input": (spike, spike + 1)})
        lost = []
        for before, after in zip(trace("input", spike), trace("input", spike + 1)):
            kept = norms(after) <= massive * np.median(norms(after))
            rank = effective_rank(before[kept])
            lost.append(rank - effective_rank(after[kept]) - least * rank)
        return {"ordinary_rank_lost_beyond": float(np.mean(lost))}

    return {stage.name: at(stage) for stage in claim.stages()}
