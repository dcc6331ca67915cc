"""The target's head outputs made to vary as position 0's do, or replaced by something that does."""

from dataclasses import dataclass, field

import numpy as np
import torch

from .masks import row_sees
from .numbers import drawn
from .passes import Edit, attention_to, causal, excess, forward, norms


@dataclass
class Amplification:
    """In every layer: o -> mu + dose lambda (o - mu) at the target, calibrated on other sequences layer by layer."""

    model: object
    calibration: object  # [N, target + 1]
    target: int
    dose: float
    layers: list
    mean: dict = field(default_factory=dict)  # layer -> [H K]
    factor: dict = field(default_factory=dict)  # layer -> lambda

    def __post_init__(self):
        last = max(self.layers)
        edits = [Edit("heads", layer, lambda x, layer=layer: self.calibrated(layer, x)) for layer in self.layers]
        forward(self.model, self.calibration, {"heads": [last]}, edits)

    def calibrated(self, layer, x):
        o = x.double()
        self.mean[layer] = o[:, self.target].mean(0)
        first, own = (o[:, position].var(0).sum().sqrt().item() for position in (0, self.target))
        self.factor[layer] = max(1.0, first / own)
        return self.changed(layer, x)

    def changed(self, layer, x):
        o, mu = x[:, self.target].double(), self.mean[layer]
        x[:, self.target] = (mu + self.dose * self.factor[layer] * (o - mu)).float()
        return x

    def edits(self):
        return [Edit("heads", layer, lambda x, layer=layer: self.changed(layer, x)) for layer in self.layers]

    def norm_edits(self):
        """dose lambda o in place of the change"""

        def change(layer, x):
            x[:, self.target] *= self.dose * self.factor[layer]
            return x

        return [Edit("heads", layer, lambda x, layer=layer: change(layer, x)) for layer in self.layers]


def at_norms_of(trace, layers, target):
    """o at the norm that it has in another pass, layer by layer"""

    def change(layer, x):
        norm = trace.kept["heads", layer][:, target].norm(dim=-1, keepdim=True)
        x[:, target] *= norm / x[:, target].norm(dim=-1, keepdim=True)
        return x

    return [Edit("heads", layer, lambda x, layer=layer: change(layer, x)) for layer in layers]


class Scaling:
    """One stage of variance_scaling."""

    def __init__(self, model, claim, stage):
        self.model, self.stage, self.p = model, stage, claim.parameters
        self.ids, self.k = claim.ids(), claim.parameters["target"]
        self.calibration = claim.ids(region="calibration")
        self.early = range(1, stage.spikes[-1] + 1)
        self.late_sinks = [layer for layer in stage.sinks if layer > stage.spikes[-1]]
        self.untouched = self.run([])

    def amplification(self, dose, layers):
        return Amplification(self.model, self.calibration, self.k, dose, list(layers))

    def run(self, edits):
        return forward(self.model, self.ids, {"attention": self.stage.sinks, "heads": self.early}, edits)

    def to(self, trace, key=None, layers=None):
        """[B]"""
        return attention_to(trace, self.k if key is None else key, layers or self.stage.first_sinks, after=self.k)

    def beyond(self, trace, name):
        share = self.to(trace) - self.p["share_of_first"] * self.to(trace, 0)
        return {
            f"{name}_beyond_share_of_first": float(share.mean()),
            f"{name}_added_attention": float((self.to(trace) - self.to(self.untouched)).mean()),
        }

    def checks(self, matched, factor):
        def ratio(layer):
            o = matched("heads", layer)
            return o[:, self.k].var(0, ddof=1).sum() / o[:, 0].var(0, ddof=1).sum()

        ratios = {layer: ratio(layer) for layer in self.early}
        largest = max(r if factor[layer] > 1 else 1.0 for layer, r in ratios.items())
        return {"matched_variance_ratio_least": min(ratios.values()), "matched_variance_ratio_largest": largest}

    def added(self, scaled, amplification):
        own = self.run(amplification.norm_edits())
        equal = self.run(at_norms_of(scaled, self.early, self.k))
        late = range(self.stage.spikes[-1] + 1, self.model.layers + 1)
        after = self.run(self.amplification(self.p["dose"], late).edits())

        def added(trace, layers=None):
            return float((self.to(trace, layers=layers) - self.to(self.untouched, layers=layers)).mean())

        return {
            "scaled_added_attention_norm": added(own),
            "scaled_added_attention_norm_matched": added(equal),
            "scaled_added_attention_sink_layers": added(scaled, self.late_sinks),
            "scaled_added_attention_after_spike": added(after, self.late_sinks),
        }

    def judged(self):
        one, judged = self.amplification(1.0, self.early), self.amplification(self.p["dose"], self.early)
        largest = self.amplification(self.p["largest_dose"], self.early)
        matched, scaled, more = (self.run(amplification.edits()) for amplification in (one, judged, largest))
        result = self.beyond(scaled, "scaled") | self.beyond(more, "largest_dose")
        result["scaled_beyond_matched"] = float((self.to(scaled) - self.to(matched)).mean())
        return result | self.checks(matched, one.factor) | self.added(scaled, judged)


def variance_scaling(model, claim):
    return {stage.name: Scaling(model, claim, stage).judged() for stage in claim.stages()}


# --- variance_substitutes ------------------------------------------------------------------------------------


class Noise:
    """mu + a random combination of position 0's centred outputs over calibration sequences, one per sequence."""

    def __init__(self, model, calibration, target, layers, generator):
        self.target, self.layers, self.generator = target, layers, generator
        self.mean, self.centred = {}, {}
        self.weights = self.drawn_weights(len(calibration), len(calibration))
        edits = [Edit("heads", layer, lambda x, layer=layer: self.calibrated(layer, x)) for layer in layers]
        forward(model, calibration, {"heads": [max(layers)]}, edits)

    def drawn_weights(self, sequences, calibration):
        w = self.generator.standard_normal((sequences, calibration))
        return torch.from_numpy(w / norms(w)[:, None])

    def calibrated(self, layer, x):
        o = x.double()
        self.mean[layer], self.centred[layer] = o[:, self.target].mean(0), o[:, 0] - o[:, 0].mean(0)
        return self.replaced(layer, x, self.weights)

    def replaced(self, layer, x, weights):
        x[:, self.target] = (self.mean[layer] + weights @ self.centred[layer]).float()
        return x

    def edits(self, sequences):
        w = self.drawn_weights(sequences, len(self.weights))
        return [Edit("heads", layer, lambda x, layer=layer: self.replaced(layer, x, w)) for layer in self.layers]


def variance_substitutes(model, claim, draws=6):
    ids, k, share = claim.ids(), claim.parameters["target"], claim.parameters["share_of_own_value"]
    calibration, generator = claim.ids(region="calibration"), np.random.default_rng(20264)

    def at(stage):
        layers, keep = range(1, stage.spikes[-1] + 1), {"attention": stage.first_sinks}
        to = lambda trace: attention_to(trace, k, stage.first_sinks)
        mask = row_sees(causal(ids.shape[1]), k, [k])
        own = to(forward(model, ids, keep, masks={layer: mask for layer in layers}))

        def once():
            edits = Noise(model, calibration, k, layers, generator).edits(len(ids))
            noise = to(forward(model, ids, keep, edits))
            return {"noise_beyond_share_of_own_value": float((noise - share * own).mean())}

        e = excess(own, ids.shape[1], k)
        return {"own_value_excess": float(e.mean())} | drawn(once, draws)

    return {stage.name: at(stage) for stage in claim.stages()}
