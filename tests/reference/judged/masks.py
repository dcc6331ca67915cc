"""A position that may see only itself: what becomes of it, and through what."""

from dataclasses import dataclass, field

import numpy as np
import torch

from .numbers import drawn
from .passes import Edit, attention_to, causal, dominance, excess, forward, norms, row_sees, top4_energy


def every(model, mask, first=1):
    return {layer: mask for layer in range(first, model.layers + 1)}


def alone(model, ids, target, first=1):
    """The target sees only itself, from layer `first` on."""
    return every(model, row_sees(causal(ids.shape[1]), target, [target]), first)


# --- mask_induced_sink ---------------------------------------------------------------------------------------


def sees_some(model, ids, target, others, generator):
    """The target sees itself and `others` random earlier positions, in each sequence its own."""
    keys = [[target, *generator.choice(target, others, replace=False)] for _ in ids]
    return every(model, row_sees(causal(ids.shape[1]), target, keys))


class Masked:
    """Passes of mask_induced_sink, and the attention to a target in them."""

    def __init__(self, model, claim, draws):
        self.model, self.ids, self.p = model, claim.ids(), claim.parameters
        self.k, self.stages = self.p["target"], claim.stages()
        self.layers = sorted({layer for stage in self.stages for layer in stage.sinks})
        generator = np.random.default_rng(20262)
        self.untouched = self.run()
        self.alone = {k: self.run(alone(model, self.ids, k)) for k in self.p["targets"]}
        blocked = row_sees(causal(self.ids.shape[1]), self.k, list(range(1, self.k + 1)))
        self.blocked = self.run(every(model, blocked))
        some = lambda n: self.run(sees_some(model, self.ids, self.k, n, generator))
        self.draws = [{n: some(n) for n in (1, 3, 7)} for _ in range(draws)]

    def run(self, masks=None):
        return forward(self.model, self.ids, {"attention": self.layers}, masks=masks)

    def contrasts(self, stage, k):
        to = lambda trace, key: attention_to(trace, key, stage.sinks, after=k)
        target = to(self.alone[k], k)
        share = target - self.p["share_of_first"] * to(self.alone[k], 0)
        times = target - self.p["times_untouched"] * to(self.untouched, k)
        return {
            f"masked_beyond_share_of_first_k{k}": float(share.mean()),
            f"masked_beyond_times_untouched_k{k}": float(times.mean()),
        }

    def added(self, stage):
        late = self.run(alone(self.model, self.ids, self.k, stage.spikes[-1] + 1))
        to = lambda trace: float(attention_to(trace, self.k, stage.sinks).mean())
        base, lanes = to(self.untouched), {"": self.alone[self.k], "_blocked_first": self.blocked, "_after_spike": late}
        return {f"mask_added_attention{suffix}": to(trace) - base for suffix, trace in lanes.items()}

    def dose(self, stage):
        to = lambda trace: float(attention_to(trace, self.k, stage.sinks).mean())
        all_draws = iter(self.draws)

        def once():
            some = {n: to(trace) for n, trace in next(all_draws).items()}
            return {"dose_contrast": 3 * to(self.alone[self.k]) + some[1] - some[3] - 3 * some[7]}

        return drawn(once, len(self.draws))


def mask_induced_sink(model, claim, draws=4):
    masked = Masked(model, claim, draws)
    result = {}
    for stage in masked.stages:
        result[stage.name] = masked.added(stage) | masked.dose(stage)
        for k in masked.p["targets"]:
            result[stage.name] |= masked.contrasts(stage, k)
    return result


# --- what is held at the target ------------------------------------------------------------------------------


def at_target(site, layer, target, value, indices=slice(None)):
    """An edit: `indices` of the target become `value`."""

    def change(x):
        x[:, target, indices] = value
        return x

    return Edit(site, layer, change)


def hold_neurons(untouched, stage, target):
    at = lambda layer, n: untouched.kept["activation", layer][:, target][:, n]
    return [at_target("activation", layer, target, at(layer, n), n) for layer, n in stage.neurons()]


def hold_dimensions(untouched, stage, target, count):
    edits = []
    for writer in stage.writers:
        layer, chosen = writer["spike"] + 1, writer["dimensions"][:count]
        edits.append(at_target("input", layer, target, untouched.kept["input", layer][:, target][:, chosen], chosen))
    return edits


def random_directions(rows, width, generator):
    x = generator.standard_normal((rows, width))
    return x / norms(x)[:, None]


@dataclass
class Mediation:
    """One stage of super_neuron_mediation or disparity_mediation."""

    model: object
    ids: object
    stage: object
    target: int
    share: float
    untouched: object = field(init=False)

    def __post_init__(self):
        self.mask = alone(self.model, self.ids, self.target)
        self.ends = [spike + 1 for spike in self.stage.spikes]
        self.untouched = self.run(masks=None)
        self.masked = self.run()

    def run(self, edits=(), **how):
        stage = self.stage
        keep = {"attention": stage.sinks, "input": {*self.ends, *stage.sinks}, "activation": stage.spikes}
        return forward(self.model, self.ids, keep, edits, **{"masks": self.mask, **how})

    def to(self, trace):
        return attention_to(trace, self.target, self.stage.sinks)

    def judged(self, held):
        induced, removed = (self.to(self.masked) - self.to(trace) for trace in (self.untouched, held))
        e = excess(self.to(self.masked), self.ids.shape[1], self.target)
        return {
            "induced_removed_beyond_share": float((removed - self.share * induced).mean()),
            "induced_removed": float(removed.mean()),
            "induced_excess": float(e.mean()),
        }

    def removed(self, trace):
        return float((self.to(self.masked) - self.to(trace)).mean())


def mediation_of(model, claim, stage):
    return Mediation(model, claim.ids(), stage, claim.parameters["target"], claim.parameters["share_of_induced"])


def random_vector(model, layer, neurons, position, held, length, generator):
    """Edits: from `position` after the layer a random vector is taken that is `length` times as long as what changes there
    if the neurons have the activations `held` [B, S]. Of several spikes each takes its own."""
    columns, taken = model.down(layer)[:, neurons], {}

    def see(x):
        taken["length"] = ((x[:, position][:, neurons] - held) @ columns.T).norm(dim=-1, keepdim=True)
        return x

    def subtract(x):
        directions = torch.from_numpy(random_directions(len(x), model.width, generator)).float()
        x[:, position] -= length * taken["length"] * directions
        return x

    return [Edit("activation", layer, see), Edit("input", layer + 1, subtract)]


def super_neuron_mediation(model, claim, draws=6):
    generator, length = np.random.default_rng(20263), claim.parameters["random_vector_length"]

    def at(stage):
        m = mediation_of(model, claim, stage)
        held = m.run(hold_neurons(m.untouched, stage, m.target))

        def once():
            edits = []
            for layer, neurons in stage.neurons():
                z = m.untouched.kept["activation", layer][:, m.target][:, neurons]
                edits += random_vector(model, layer, neurons, m.target, z, length, generator)
            return {"induced_removed_random_vector": m.removed(m.run(edits))}

        return m.judged(held) | drawn(once, draws)

    return {stage.name: at(stage) for stage in claim.stages()}


def count_held(model, few):
    return int(max(few["at_least"], few["share_of_width"] * model.width))


def scale_to(mediation, held):
    """The target's residual stream after each spike, at the norm that it has with the dimensions held."""
    edits = []
    for layer in mediation.ends:
        norm = torch.from_numpy(norms(held("input", layer)[:, mediation.target])).float()[:, None]

        def change(x, norm=norm):
            row = x[:, mediation.target]
            x[:, mediation.target] = row * (norm / row.norm(dim=-1, keepdim=True))
            return x

        edits.append(Edit("input", layer, change))
    return edits


def to_rest(trace, layers, target, measure):
    """The target's over that of all positions but 0 and the target: means over sequences and layers, then the quotient"""
    values = np.stack([measure(trace("input", layer)) for layer in layers])  # [layers, B, T]
    return float(values[..., target].mean() / np.delete(values[..., 1:], target - 1, axis=-1).mean())


def disparity_mediation(model, claim):
    count = count_held(model, claim.parameters["few_dimensions"])

    def at(stage):
        m = mediation_of(model, claim, stage)
        held = m.run(hold_dimensions(m.untouched, stage, m.target, count))
        return m.judged(held) | {
            "induced_removed_scaled": m.removed(m.run(scale_to(m, held))),
            "dominance_to_rest_held": to_rest(held, stage.sinks, m.target, dominance),
            "top4_energy_to_rest_held": to_rest(held, stage.sinks, m.target, top4_energy),
        }

    return {stage.name: at(stage) for stage in claim.stages()}


# --- side_effects --------------------------------------------------------------------------------------------


def rows_after(length, target, most):
    """At most so many queries after the target, evenly spread."""
    rows = np.arange(target + 1, length)
    return rows if len(rows) <= most else rows[np.arange(most) * len(rows) // most]


class Rest:
    """Later rows in one layer, without columns 0 and the target."""

    def __init__(self, model, trace, layer, target, rows):
        whole = trace("attention", layer)[:, :, rows]
        whole[..., [0, target]] = 0
        self.p = whole / whole.sum(-1, keepdims=True)
        value = np.repeat(norms(trace("value", layer)), model.heads // model.groups, axis=1)  # [B, H, T]
        w = whole * value[:, :, None]
        w /= w.sum(-1, keepdims=True)
        self.entropy = -(self.p * np.log(np.where(self.p > 0, self.p, 1))).sum(-1)
        self.mixing = 1 / (w**2).sum(-1)


def changes(a, b):
    """{name: [B]}"""
    return {
        "total_variation": np.abs(a.p - b.p).sum(-1).mean((1, 2)) / 2,
        "entropy_change": np.abs(a.entropy - b.entropy).mean((1, 2)),
        "mixing_change": np.abs(a.mixing - b.mixing).mean((1, 2)),
    }


def held_beyond_half(model, untouched, masked, held, stage, target, rows):
    by_layer = []
    for layer in stage.sinks:
        base, a, b = (Rest(model, trace, layer, target, rows) for trace in (untouched, masked, held))
        mask, rest = changes(a, base), changes(b, base)
        beyond = {f"{name}_held_beyond_half": (rest[name] - 0.5 * mask[name]).mean() for name in mask}
        by_layer.append(beyond | {"total_variation_masked": mask["total_variation"].mean()})
    return {name: float(np.mean([one[name] for one in by_layer])) for name in by_layer[0]}


def moved_share(untouched, held, layers, target, deviations):
    """Of the pairs of a neuron and a position after the target, mean over the layers after the first."""
    shares = []
    for layer in (l for l in layers if l > 1):
        before, after = (trace("activation", layer)[:, target + 1 :] for trace in (untouched, held))
        spread = before.std((0, 1), ddof=1)
        moved = (np.abs(after - before) > deviations * spread)[..., spread > 0]
        shares.append(moved.mean())
    return {"moved_neurons_share": float(np.mean(shares))} if shares else {}


def side_effects(model, claim):
    ids, p = claim.ids(), claim.parameters
    target, rows = p["target"], rows_after(claim.ids().shape[1], p["target"], p["rows"])

    def at(stage):
        keep = {"attention": stage.sinks, "value": stage.sinks, "activation": stage.spikes}
        mask = alone(model, ids, target)
        untouched = forward(model, ids, keep)
        masked = forward(model, ids, keep, masks=mask)
        held = forward(model, ids, keep, hold_neurons(untouched, stage, target), mask)
        e = lambda trace: float(excess(attention_to(trace, target, stage.sinks), ids.shape[1], target).mean())
        result = held_beyond_half(model, untouched, masked, held, stage, target, rows)
        result |= moved_share(untouched, held, stage.spikes, target, p["deviations"])
        return result | {"induced_excess": e(masked), "held_excess": e(held)}

    return {stage.name: at(stage) for stage in claim.stages()}
