"""A model's forward pass, what is changed in it and what is kept of it. Layers count from 1, positions from 0.

B sequences, T positions, H heads of width K, G key/value heads, D width, F hidden neurons."""

from contextlib import ExitStack
from dataclasses import dataclass, field

import numpy as np
import torch

from transformers_reference import modeling

SITES = ("input", "query", "key", "value", "attention", "heads", "projected", "ffn_input", "activation", "written")


@dataclass
class Edit:
    """`change(x)` -> what takes the place of a site's tensor x, a copy, in one layer. Sites: "heads" [B, T, H K] (what W_O
    reads), "activation" [B, T, F] (what W_down reads), "input" [B, T, D] (of a layer; of the last layer + 1: the end)."""

    site: str
    layer: int
    change: object


@dataclass
class Trace:
    """What was kept: (site, layer) -> tensor."""

    kept: dict = field(default_factory=dict)

    def __call__(self, site, layer):
        """As float64 in numpy."""
        return self.kept[site, layer].double().numpy()


class Model:
    """A model of `transformers` of the Llama or Qwen2 architecture."""

    def __init__(self, model):
        self.whole, self.blocks = model, model.model.layers
        c = model.config
        self.layers, self.width, self.heads = c.num_hidden_layers, c.hidden_size, c.num_attention_heads
        self.groups = c.num_key_value_heads

    def block(self, layer):
        return self.blocks[layer - 1]

    def down(self, layer):
        """[D, F]"""
        return self.block(layer).mlp.down_proj.weight.detach()

    def weight(self, module):
        return module.weight.detach().double().numpy()

    def before(self, site, layer):
        """The module whose input the site is."""
        if site == "input":
            return self.block(layer) if layer <= self.layers else self.whole.model.norm
        block = self.block(layer)
        return {
            "heads": block.self_attn.o_proj,
            "ffn_input": block.mlp.gate_proj,
            "activation": block.mlp.down_proj,
        }[site]

    def after(self, site, layer):
        return {"projected": self.block(layer).self_attn.o_proj, "written": self.block(layer).mlp}[site]


def causal(length):
    return torch.ones(length, length, dtype=torch.bool).tril()[None]


def row_sees(mask, query, keys):
    """mask [B or 1, T, T]: position `query` sees `keys` alone; `keys` a list, or one list per sequence."""
    nested = len(keys) > 0 and isinstance(keys[0], (list, np.ndarray))
    changed = mask.repeat(len(keys), 1, 1) if nested else mask.clone()
    changed[:, query] = False
    for b, row in enumerate(keys if nested else [keys]):
        changed[b if nested else slice(None), query, torch.as_tensor(np.array(row))] = True
    return changed


def additive(mask):
    return torch.zeros(mask.shape).masked_fill(~mask, torch.finfo(torch.float32).min)[:, None]


class Hooks:
    """Those of one forward pass."""

    def __init__(self, model, trace, keep):
        self.model, self.trace, self.keep, self.undo = model, trace, keep, ExitStack()

    def store(self, site, layer, x):
        if layer in self.keep.get(site, ()):
            self.trace.kept[site, layer] = x.detach()

    def add_edits(self, edits):
        for edit in edits:
            change = lambda _m, args, edit=edit: (edit.change(args[0].clone()), *args[1:])
            module = self.model.before(edit.site, edit.layer)
            self.undo.callback(module.register_forward_pre_hook(change).remove)

    def add_keepers(self):
        for site in ("input", "heads", "ffn_input", "activation"):
            for layer in self.keep.get(site, ()):
                see = lambda _m, args, site=site, layer=layer: self.store(site, layer, args[0])
                self.undo.callback(self.model.before(site, layer).register_forward_pre_hook(see).remove)
        for site in ("projected", "written"):
            for layer in self.keep.get(site, ()):
                see = lambda _m, _a, out, site=site, layer=layer: self.store(site, layer, out)
                self.undo.callback(self.model.after(site, layer).register_forward_hook(see).remove)

    def add_masks(self, masks):
        for layer, mask in masks.items():
            change = lambda _m, args, kw, mask=mask: (args, {**kw, "attention_mask": additive(mask)})
            handle = self.model.block(layer).self_attn.register_forward_pre_hook(change, with_kwargs=True)
            self.undo.callback(handle.remove)

    def add_attention(self):
        definition = modeling(self.model.whole)
        eager = definition.eager_attention_forward

        def attend(module, query, key, value, *args, **kwargs):
            out, weights = eager(module, query, key, value, *args, **kwargs)
            for site, x in (("query", query), ("key", key), ("value", value), ("attention", weights)):
                self.store(site, module.layer_idx + 1, x)
            return out, weights

        self.undo.callback(setattr, definition, "eager_attention_forward", eager)
        definition.eager_attention_forward = attend


def forward(model, ids, keep, edits=(), masks=None, start=None):
    """`keep`: site -> layers. `masks`: layer -> [B or 1, T, T], True where a query sees a key; causal elsewhere.
    `start`: (layer, its input) instead of the embedding. Layers after all that is kept are not run."""
    last = max([layer - (site == "input") for site, layers in keep.items() for layer in layers], default=0)
    first, x = start or (1, model.whole.model.embed_tokens(ids).detach())
    trace = Trace()
    hooks = Hooks(model, trace, keep)
    with hooks.undo, torch.no_grad():
        hooks.add_edits(edits)
        hooks.add_keepers()
        hooks.add_masks(masks or {})
        hooks.add_attention()
        whole = model.whole.model
        hooks.undo.callback(setattr, whole, "layers", model.blocks)
        whole.layers = model.blocks[first - 1 : last]
        if last < model.layers and last + 1 in keep.get("input", ()):  # the norm comes next, not that layer
            see = lambda _m, args: hooks.store("input", last + 1, args[0])
            hooks.undo.callback(whole.norm.register_forward_pre_hook(see).remove)
        whole(inputs_embeds=x, attention_mask=additive(causal(ids.shape[1])), use_cache=False)
    return trace


def uniform(length, target=0):
    """Mean over the queries after the target of 1 / (q + 1)."""
    return float(np.mean(1.0 / np.arange(target + 2, length + 1)))


def attention_to(trace, target, layers, after=None):
    """[B]: to `target`, mean over heads, the queries after it (or after `after`) and `layers`."""
    first = (target if after is None else after) + 1
    return np.mean([trace("attention", l)[:, :, first:, target].mean((1, 2)) for l in layers], axis=0)


def excess(attention, length, target=0):
    u = uniform(length, target)
    return (attention - u) / (1 - u)


def norms(x):
    return np.linalg.norm(x, axis=-1)


def dominance(x):
    return np.abs(x).max(-1) / np.abs(x).mean(-1)


def top4_energy(x):
    energy = np.sort(x**2, axis=-1)
    return energy[..., -4:].sum(-1) / energy.sum(-1)
