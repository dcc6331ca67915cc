"""Position 0 without the super neurons' output, or with it in another direction."""

import numpy as np
import torch

from .masks import random_vector
from .numbers import drawn
from .passes import Edit, attention_to, dominance, forward, norms


class Edits:
    """One stage: edits of what its super neurons write at position 0."""

    def __init__(self, model, claim, stage, generator):
        self.model, self.stage, self.generator = model, stage, generator
        self.ids, self.seen = claim.ids(), {}
        self.untouched = self.run([])

    def run(self, edits):
        keep = {"attention": self.stage.sinks, "input": self.stage.sinks}
        return forward(self.model, self.ids, keep, edits)

    def columns(self, layer, neurons):
        """[D, S]"""
        return self.model.down(layer)[:, neurons]

    def zero(self):
        def change(x, neurons):
            x[:, 0, neurons] = 0
            return x

        return [Edit("activation", l, lambda x, n=n: change(x, n)) for l, n in self.stage.neurons()]

    def rewritten(self, layer, neurons, vector):
        """Two edits: `vector(z [B, S])` [B, D] in place of what the neurons write at position 0"""

        def see(x):
            self.seen[layer] = x[:, 0, neurons].double()
            return x

        def write(x):
            z = self.seen[layer]
            x[:, 0] += (vector(z) - z @ self.columns(layer, neurons).double().T).float()
            return x

        return [Edit("activation", layer, see), Edit("input", layer + 1, write)]

    def densify(self):
        """Each spike's columns turned by one random rotation per sequence."""
        edits = []
        for layer, neurons in self.stage.neurons():
            columns = self.columns(layer, neurons).double()
            turn = random_rotation(len(self.ids), self.model.width, self.generator)
            edits += self.rewritten(layer, neurons, lambda z, c=columns, turn=turn: turn(z @ c.T))
        return edits

    def relocate(self):
        edits = []
        for layer, neurons in self.stage.neurons():
            moved = self.moved(layer, neurons)
            edits += self.rewritten(layer, neurons, lambda z, m=moved: torch.einsum("bs,bds->bd", z, m))
        return edits

    def read_by_keys(self, layer):
        """[D]: gain x norm of the column of W_K in the first sink layer after that spike"""
        block = self.model.block(self.stage.first_sink_after[layer])
        gain, w_k = (self.model.weight(m) for m in (block.input_layernorm, block.self_attn.k_proj))
        return np.abs(gain) * norms(w_k.T)

    def moved(self, layer, neurons):
        """[B, D, S]: each column in one other dimension, with the sign of its largest entry"""
        columns, read = self.columns(layer, neurons).double().numpy(), self.read_by_keys(layer)
        largest = np.abs(columns).argmax(0)
        result = np.zeros((len(self.ids), *columns.shape))
        for b in range(len(self.ids)):
            there = {d: self.generator.choice(alike(read, d)) for d in set(largest)}
            for s, d in enumerate(largest):
                result[b, there[d], s] = np.sign(columns[d, s]) * norms(columns[:, s])
        return torch.from_numpy(result)

    def random_vectors(self, length):
        edits = []
        for layer, neurons in self.stage.neurons():
            edits += random_vector(self.model, layer, neurons, 0, 0.0, length, self.generator)
        return edits

    def removal(self, trace):
        """[B]"""
        to = lambda one: attention_to(one, 0, self.stage.sinks)
        return to(self.untouched) - to(trace)

    def beyond_half(self, trace):
        return float((self.removal(trace) - 0.5 * attention_to(self.untouched, 0, self.stage.sinks)).mean())

    def dominance_to_rest(self, trace):
        values = np.stack([dominance(trace("input", layer)) for layer in self.stage.sinks])
        return float(values[..., 0].mean() / values[..., 1:].mean())


def alike(read, d):
    """Other dimensions that are read within a factor 2 of dimension d."""
    close = (read <= 2 * read[d]) & (read >= read[d] / 2)
    close[d] = False
    return np.flatnonzero(close)


def random_rotation(sequences, width, generator):
    """-> f(x [B, D]): one random rotation per sequence"""
    rotations = []
    for _ in range(sequences):
        q, r = np.linalg.qr(generator.standard_normal((width, width)))
        rotations.append(q * np.sign(np.diag(r)))
    turned = torch.from_numpy(np.stack(rotations))
    return lambda x: torch.einsum("bij,bj->bi", turned, x)


def falsification(model, claim, draws=6):
    generator, length = np.random.default_rng(20265), claim.parameters["random_vector_length"]

    def at(stage):
        e = Edits(model, claim, stage, generator)
        zeroed = e.run(e.zero())
        once = lambda: {"removal_random_vector": float(e.removal(e.run(e.random_vectors(length))).mean())}
        result = {"removal_zero": float(e.removal(zeroed).mean()), "removal_zero_beyond_half": e.beyond_half(zeroed)}
        return result | drawn(once, draws)

    return {stage.name: at(stage) for stage in claim.stages()}


def dense(edits, zero):
    """One draw of the dense direction. `zero`: what removing the write removes, on average"""
    trace = edits.run(edits.densify())
    removal = float(edits.removal(trace).mean())
    return {
        "removal_densify": removal,
        "removal_densify_beyond_half": edits.beyond_half(trace),
        "removal_densify_beyond_zero": removal - zero,
        "dominance_to_rest_densify": edits.dominance_to_rest(trace),
    }


def falsification_densify(model, claim, draws=6):
    generator = np.random.default_rng(20266)

    def at(stage):
        e = Edits(model, claim, stage, generator)
        zero = float(e.removal(e.run(e.zero())).mean())
        return drawn(lambda: dense(e, zero), draws)

    return {stage.name: at(stage) for stage in claim.stages()}


def write_direction(model, claim, draws=6):
    generator = np.random.default_rng(20267)

    def at(stage):
        e = Edits(model, claim, stage, generator)
        zero = float(e.removal(e.run(e.zero())).mean())
        relocated = lambda: {"removal_relocate_beyond_half": e.beyond_half(e.run(e.relocate()))}
        return drawn(lambda: dense(e, zero) | relocated(), draws)

    return {stage.name: at(stage) for stage in claim.stages()}
