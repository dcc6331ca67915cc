#!/usr/bin/env python3
"""Reference values of four claims from `transformers`, without any code of this project.

Computes the layer series of sink_onset, dimension_disparity, rank_collapse and mask_induced_sink, and
logits, straight from their definitions: every attention matrix and every hidden state is kept, in float64,
and reduced with plain numpy. Slow and memory-hungry on purpose; meant for a few short sequences.

    transformers_reference.py --gguf MODEL.gguf --tokens IDS.jsonl --out REFERENCE.json
    transformers_reference.py --gguf MODEL.gguf --random-tokens 8,128 --seed 1 --out REFERENCE.json
    transformers_reference.py --gguf MODEL.gguf --text PASSAGES.txt --length 64 --save-tokens IDS.jsonl

IDS.jsonl has one JSON array of token ids per line, all of one length; no BOS is added. PASSAGES.txt has one
passage per line; each gives its first --length tokens. compare_run.py compares a run with REFERENCE.json.

How the definitions are read where words leave room:
- Layers count from 1. "Input of layer l" is the residual stream entering block l, so the output of block l is
  the input of layer l + 1; the last block's output is taken before the final norm.
- Every series is computed per sequence, then averaged over sequences (float64). Metrics that are quotients are
  quotients of those averages, and so is `norm_ratio`: |h_0| over the median over t >= 1 of |h_t|.
- Spikes: layers l with ratio(output) / ratio(input) >= 2 and ratio(output) >= 5, ratio being `norm_ratio`.
  The dominant spike is the one across which the mean norm of position 0 grows most in absolute terms.
- Medians of an even count average the two middle values. The "massive" tokens that
  `effective_rank_without_massive` leaves out have a norm above 5 x the median norm of all T tokens.
- `effective_rank_squared` takes the entropy of s^2 / sum s^2; `effective_rank_centred` subtracts the mean over
  positions first; `effective_rank_stacked` stacks the tokens of all sequences into one matrix.
- `attention_received_by_position_*`: column p averaged over queries q > p, heads, and the sink layers; the last
  position has no such query (null).
- `excess_attention_after_spike`: mean of the excess over all layers after the dominant spike.
- Metrics of sink_onset are those of the sequences themselves; the other claims' sink layers and spikes come from the
  survey of a run where one is given, as in that run.
- "late" metrics of mask_induced_sink average over the sink layers behind the last spike.
- mask_induced_sink: the target's row is replaced in a 4-D additive mask (every layer), or in the mask of single
  layers ("late": the layers after the last spike). "Blocked from position 0": keys 1..k stay visible.
"""

import argparse
import hashlib
import json
import math
import os
import sys
import types
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

os.environ.update(HF_HUB_OFFLINE="1", TQDM_DISABLE="1")  # read when transformers is imported

import numpy as np
import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM

SINK_EXCESS = 0.2  # e >= 0.2 makes a sink layer
SPIKE_GROWTH, SPIKE_RATIO = 2.0, 5.0
SINK_RATE_EPS, SINK_RATE_LENGTH = 0.3, 64
MASSIVE = 5.0  # times the median norm
LENGTHS = (32, 64, 128)  # prefixes whose attention is reported too; causal, so no second forward


# --- model -------------------------------------------------------------------------------------------------


def gguf_fields(path):
    from gguf import GGUFReader

    reader = GGUFReader(path)
    return {name: field.contents() for name, field in reader.fields.items()}, reader.tensors


def half_split(weight, heads):
    """Undoes the row permutation that GGUF applies for interleaved RoPE: rows (i, 0/1) to (0/1, i) per head."""
    rows, columns = weight.shape
    return weight.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def modeling(model):
    """The module of `transformers` that defines the model's architecture."""
    return sys.modules[type(model).__module__]


def load_with_gguf(path):
    """A model of the Llama or Qwen2 architecture, filled by hand from tensors that PyPI's `gguf` dequantises."""
    from gguf import dequantize

    fields, tensors = gguf_fields(path)
    architecture = fields["general.architecture"]
    get = lambda name: fields[f"{architecture}.{name}"]
    heads, kv_heads = get("attention.head_count"), get("attention.head_count_kv")
    weights = {t.name: np.array(dequantize(t.data, t.tensor_type), dtype=np.float32) for t in tensors}
    tied = "output.weight" not in weights
    config = AutoConfig.for_model(
        architecture,
        vocab_size=weights["token_embd.weight"].shape[0],
        hidden_size=get("embedding_length"),
        intermediate_size=get("feed_forward_length"),
        num_hidden_layers=get("block_count"),
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        max_position_embeddings=get("context_length"),
        rms_norm_eps=get("attention.layer_norm_rms_epsilon"),
        rope_parameters={"rope_type": "default", "rope_theta": get("rope.freq_base")},
        tie_word_embeddings=tied,
    )
    names = {
        "attn_norm": "input_layernorm",
        "ffn_norm": "post_attention_layernorm",
        "attn_q": "self_attn.q_proj",
        "attn_k": "self_attn.k_proj",
        "attn_v": "self_attn.v_proj",
        "attn_output": "self_attn.o_proj",
        "ffn_gate": "mlp.gate_proj",
        "ffn_up": "mlp.up_proj",
        "ffn_down": "mlp.down_proj",
    }
    top = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
    state = {}
    for name, value in weights.items():
        name, kind = name.rsplit(".", 1)
        parts = name.split(".")
        if architecture == "llama" and parts[-1] in ("attn_q", "attn_k"):
            value = half_split(value, heads if parts[-1] == "attn_q" else kv_heads)
        full = top[parts[0]] if len(parts) == 1 else f"model.layers.{parts[1]}.{names[parts[2]]}"
        state[f"{full}.{kind}"] = torch.from_numpy(np.ascontiguousarray(value))
    if tied:
        state["lm_head.weight"] = state["model.embed_tokens.weight"]
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    model.load_state_dict(state, strict=True)
    return model


def load_with_transformers(path):
    folder, file = str(Path(path).parent), Path(path).name
    model, report = AutoModelForCausalLM.from_pretrained(
        folder, gguf_file=file, attn_implementation="eager", dtype=torch.float32, output_loading_info=True
    )
    lost = {key: value for key, value in report.items() if value and key != "error_msgs"}
    if any(not all("lm_head" in str(name) for name in value) for value in lost.values()):
        raise RuntimeError(f"transformers did not load every tensor: {lost}")
    return model


def load_model(path, loader):
    """-> (model in eval mode, name of the loader used)."""
    if loader in ("auto", "transformers"):
        try:
            return load_with_transformers(path).eval(), "transformers"
        except Exception as error:
            if loader == "transformers":
                raise
            print(f"transformers' GGUF loader: {error}; filling the model with `gguf` instead", file=sys.stderr)
    return load_with_gguf(path).eval(), "gguf"


@contextmanager
def in_float64(model):
    """`model` in float64 throughout: transformers itself does norms, softmax and RoPE angles in float32."""

    def norm(self, x):
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.variance_epsilon))

    def rotary(self, x, position_ids):
        base, width = self.config.rope_parameters["rope_theta"], model.model.layers[0].self_attn.head_dim
        frequency = base ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
        angle = position_ids[..., None].double() * frequency
        angle = torch.cat((angle, angle), dim=-1)
        return angle.cos(), angle.sin()

    def attention(module, query, key, value, mask, scaling, dropout=0.0, **_):
        key = definition.repeat_kv(key, module.num_key_value_groups)
        value = definition.repeat_kv(value, module.num_key_value_groups)
        weights = (query @ key.transpose(2, 3) * scaling + mask).softmax(-1)
        return (weights @ value).transpose(1, 2).contiguous(), weights

    definition = modeling(model)
    eager = definition.eager_attention_forward
    replaced = [m for m in model.modules() if type(m).__name__.endswith("RMSNorm")]
    replaced.append(model.model.rotary_emb)
    torch.nn.Module.double(model)  # transformers' own method refuses models that came from a quantised file
    definition.eager_attention_forward = attention
    for module in replaced:
        module.forward = types.MethodType(rotary if module is model.model.rotary_emb else norm, module)
    try:
        yield model
    finally:
        definition.eager_attention_forward = eager
        for module in replaced:
            del module.forward
        torch.nn.Module.float(model)


# --- token ids ---------------------------------------------------------------------------------------------


def tokenizer_from_gguf(path):
    """PyPI `tokenizers` with the file's vocabulary; the pre-tokenizer of SmolLM (single digits, then GPT-2's)."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    fields, _ = gguf_fields(path)
    kind = fields["tokenizer.ggml.pre"]
    if kind != "smollm":
        raise SystemExit(f"pre-tokenizer {kind}: only smollm is known here")
    vocabulary = {token: i for i, token in enumerate(fields["tokenizer.ggml.tokens"])}
    merges = [tuple(merge.split(" ")) for merge in fields["tokenizer.ggml.merges"]]
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def ids_from_text(gguf, text, length):
    tokenizer = tokenizer_from_gguf(gguf)
    rows = [tokenizer.encode(line).ids for line in Path(text).read_text().splitlines() if line.strip()]
    short = [i + 1 for i, row in enumerate(rows) if len(row) < length]
    if short:
        raise SystemExit(f"{text}: passages {short} have fewer than {length} tokens")
    return np.array([row[:length] for row in rows], dtype=np.int64)


def random_ids(gguf, sequences, length, seed):
    """Uniform over the ordinary tokens (type 1); no special tokens."""
    fields, _ = gguf_fields(gguf)
    ordinary = np.flatnonzero(np.array(fields["tokenizer.ggml.token_type"]) == 1)
    return np.random.default_rng(seed).choice(ordinary, size=(sequences, length)).astype(np.int64)


def read_ids(path):
    rows = [json.loads(line) for line in Path(path).read_text().splitlines() if line.strip()]
    if len({len(row) for row in rows}) != 1:
        raise SystemExit(f"{path}: sequences must be of one length")
    return np.array(rows, dtype=np.int64)


def ids_hash(ids):
    """sha256 over little-endian int64, row major: the same hash a run's record carries."""
    return hashlib.sha256(np.ascontiguousarray(ids, dtype="<i8").tobytes()).hexdigest()


# --- forward -----------------------------------------------------------------------------------------------


@dataclass
class RowMask:
    """In `layers` (from 1; None: all), position `query` sees only `keys`."""

    query: int
    keys: list
    layers: list | None = None


@dataclass
class Trace:
    """Everything one forward leaves behind, float64. L layers, B sequences, T positions, D width, H heads."""

    hidden: np.ndarray  # [L + 1, B, T, D]: inputs of layers 1..L, then the last block's output
    normed: np.ndarray  # [L, B, T, D]: after the attention RMSNorm, gain included
    attention: np.ndarray  # [L, B, H, T, T]
    logits: np.ndarray  # [B, T, V], in the model's own type


def additive_mask(length, dtype, row=None):
    """[1, 1, T, T]: 0 where a query sees a key, the type's lowest number elsewhere."""
    visible = torch.ones(length, length, dtype=torch.bool).tril()
    if row is not None:
        visible[row.query] = False
        visible[row.query, row.keys] = True
    mask = torch.zeros(length, length, dtype=dtype).masked_fill(~visible, torch.finfo(dtype).min)
    return mask[None, None]


def run_batch(model, ids, row, keep_logits):
    hidden, normed, attention = [], [], []
    dtype, length = model.dtype, ids.shape[1]
    single_layers = row is not None and row.layers is not None
    whole = additive_mask(length, dtype, None if single_layers else row)

    def replace_mask(_module, args, kwargs):
        return args, {**kwargs, "attention_mask": additive_mask(length, dtype, row)}

    def double(x):
        return x.double().numpy()

    with ExitStack() as hooks:
        add = lambda handle: hooks.callback(handle.remove)
        for number, layer in enumerate(model.model.layers, start=1):
            add(layer.register_forward_pre_hook(lambda _m, args: hidden.append(double(args[0]))))
            add(layer.input_layernorm.register_forward_hook(lambda _m, _a, out: normed.append(double(out))))
            add(layer.self_attn.register_forward_hook(lambda _m, _a, out: attention.append(double(out[1]))))
            if single_layers and number in row.layers:
                add(layer.self_attn.register_forward_pre_hook(replace_mask, with_kwargs=True))
        last = model.model.layers[-1]
        add(last.register_forward_hook(lambda _m, _a, out: hidden.append(double(out))))
        with torch.no_grad():
            tokens = torch.from_numpy(ids)
            if keep_logits:
                logits = model(tokens, attention_mask=whole, use_cache=False).logits.numpy()
            else:
                model.model(tokens, attention_mask=whole, use_cache=False)
                logits = np.zeros((len(ids), 0, 0))
    return Trace(np.stack(hidden), np.stack(normed), np.stack(attention), logits)


def run(model, ids, batch, row=None, keep_logits=False):
    parts = [run_batch(model, ids[i : i + batch], row, keep_logits) for i in range(0, len(ids), batch)]
    join = lambda name, axis: np.concatenate([getattr(part, name) for part in parts], axis)
    return Trace(join("hidden", 1), join("normed", 1), join("attention", 1), join("logits", 0))


# --- definitions; every function gives [B, L] unless it says otherwise ---------------------------------------


def column(attention, key, first_query):
    """Attention to `key`, averaged over heads and queries >= first_query."""
    return attention[:, :, :, first_query:, key].mean((2, 3)).T


def uniform(length):
    return float(np.mean(1.0 / np.arange(2, length + 1)))


def excess(attention_to_first, length):
    u = uniform(length)
    return (attention_to_first - u) / (1 - u)


def sink_rate(attention):
    length = min(SINK_RATE_LENGTH, attention.shape[-1])
    alpha = attention[:, :, :, :length, 0].mean(-1)  # [L, B, H], query 0 included
    return (alpha > SINK_RATE_EPS).mean(-1).T


def norms(hidden):
    """[L, B, T] or [L + 1, B, T]"""
    return np.linalg.norm(hidden, axis=-1)


def dominance(x):
    """max|h| / mean|h| of each position: [L, B, T]"""
    magnitude = np.abs(x)
    return magnitude.max(-1) / magnitude.mean(-1)


def top_energy(x, count=4):
    """Share of squared norm in the `count` largest components, [L, B, T]. RMSNorm without gain leaves it alone."""
    energy = np.sort(x**2, axis=-1)
    return energy[..., -count:].sum(-1) / energy.sum(-1)


def effective_rank(matrix, power=1):
    """exp of the entropy of s^power / sum s^power; NaN where every entry is zero (or no row is left)."""
    s = np.linalg.svd(matrix, compute_uv=False) ** power
    if not s.any():
        return math.nan
    p = s / s.sum()
    p = p[p > 0]
    return math.exp(-(p * np.log(p)).sum())


def without_massive(matrix):
    norm = np.linalg.norm(matrix, axis=-1)
    return matrix[norm <= MASSIVE * np.median(norm)]


def rank_series(hidden, form):
    """hidden [L, B, T, D]"""
    return np.array([[form(sequence) for sequence in layer] for layer in hidden]).T


RANK_FORMS = {
    "effective_rank": effective_rank,
    "effective_rank_centred": lambda m: effective_rank(m - m.mean(0)),
    "effective_rank_squared": lambda m: effective_rank(m, power=2),
    "effective_rank_without_first": lambda m: effective_rank(m[1:]),
    "effective_rank_without_massive": lambda m: effective_rank(without_massive(m)),
}


def received(attention, layers):
    """[B, T]: column p averaged over queries q > p, heads, and `layers` (from 1); the last position is NaN."""
    length = attention.shape[-1]
    chosen = attention[[layer - 1 for layer in layers]]
    result = np.full((attention.shape[1], length), np.nan)
    for p in range(length - 1):
        result[:, p] = chosen[:, :, :, p + 1 :, p].mean((0, 2, 3)) if layers else np.nan
    return result


# --- claims ------------------------------------------------------------------------------------------------


@dataclass
class Survey:
    """What the claims need to know of a model: layers count from 1."""

    onset: int | None
    sinks: list
    spikes: list  # [{"layer", "growth", "ratio_in", "ratio_out", "norm_in", "norm_out"}]
    dominant: int | None


def make_survey(trace):
    to_first = column(trace.attention, 0, 1).mean(0)
    e = excess(to_first, trace.attention.shape[-1])
    sinks = [int(i) + 1 for i in np.flatnonzero(e >= SINK_EXCESS)]
    norm = norms(trace.hidden)
    ratio = norm_ratio(norm)
    first = norm[..., 0].mean(1)
    spikes = [
        {
            "layer": i + 1,
            "growth": ratio[i + 1] / ratio[i],
            "ratio_in": ratio[i],
            "ratio_out": ratio[i + 1],
            "norm_in": first[i],
            "norm_out": first[i + 1],
        }
        for i in range(len(ratio) - 1)
        if ratio[i + 1] / ratio[i] >= SPIKE_GROWTH and ratio[i + 1] >= SPIKE_RATIO
    ]
    dominant = max(spikes, key=lambda s: s["norm_out"] - s["norm_in"])["layer"] if spikes else None
    return Survey(sinks[0] if sinks else None, sinks, spikes, dominant)


def norm_ratio(norm):
    """norm [L, B, T] -> [L]"""
    return norm[..., 0].mean(1) / np.median(norm[..., 1:], axis=-1).mean(1)


def survey_of_run(path):
    data = json.loads(Path(path).read_text())
    return Survey(data["onset_layer"] or None, data["sink_layers"], data["spikes"], data["dominant_spike"] or None)


class Claim:
    """Series and metrics under their contract names, ready for JSON."""

    def __init__(self, label, per_sequence):
        self.label, self.per_sequence = label, per_sequence
        self.data = {"series": [], "metrics": []}

    def series(self, name, values, axis="layer", optional=False):
        """`values` [B, X]. `optional`: a run may leave it out."""
        values = np.atleast_2d(values)
        start = 1 if axis == "layer" else 0
        entry = {"name": name, "inputs": self.label, "axis": axis}
        entry["x"] = list(range(start, start + values.shape[1]))
        entry["y"] = numbers(values.mean(0))
        if self.per_sequence and len(values) > 1:
            entry["per_sequence"] = [numbers(row) for row in values]
        if optional:
            entry["optional"] = True
        self.data["series"].append(entry)

    def metric(self, name, value, **where):
        entry = {"name": name, "inputs": self.label, "value": number(value)}
        if where:
            entry["where"] = where
        self.data["metrics"].append(entry)


def number(value):
    if value is None or not math.isfinite(value):
        return None
    return float(f"{float(value):.8g}")


def numbers(values):
    return [number(v) for v in values]


def sink_onset(claim, trace, survey):
    length = trace.attention.shape[-1]
    norm = norms(trace.hidden[:-1])
    to_first = column(trace.attention, 0, 1)
    e = excess(to_first, length)
    claim.series("attention_to_first", to_first)
    claim.series("excess_attention", e)
    claim.series("sink_rate", sink_rate(trace.attention))
    claim.series("first_token_norm", norm[..., 0].T)
    claim.series("other_token_norm", norm[..., 1:].mean(-1).T)
    for prefix in (n for n in LENGTHS if n <= length):
        part = column(trace.attention[..., :prefix, :prefix], 0, 1)
        claim.series(f"excess_attention_t{prefix}", excess(part, prefix), optional=True)
    rate = sink_rate(trace.attention).mean(0)  # [L]
    claim.metric("max_sink_rate", rate.max())
    claim.metric("mean_sink_rate", rate.mean())
    claim.metric("max_excess_attention", e.mean(0).max())
    claim.metric("onset_layer", survey.onset)
    for spike in survey.spikes:
        claim.metric("spike_layers", spike["layer"], layer=spike["layer"])
        claim.metric("spike_growth", spike["growth"], layer=spike["layer"])
    claim.metric("dominant_spike", survey.dominant)
    if survey.dominant is None:
        return
    after = any(
        survey.onset == s["layer"] + 1 or (survey.onset == s["layer"] and s["ratio_in"] >= SPIKE_GROWTH)
        for s in survey.spikes
    )
    claim.metric("onset_after_spike", float(after))
    claim.metric("onset_after_dominant_spike", float(survey.onset == survey.dominant + 1))
    claim.metric("excess_attention_after_spike", e[:, survey.dominant :].mean())


def dimension_disparity(claim, trace, survey):
    values = {
        "dominance_ratio": dominance(trace.hidden[:-1]),
        "dominance_ratio_normed": dominance(trace.normed),
        "top4_energy": top_energy(trace.hidden[:-1]),
    }
    sinks = [layer - 1 for layer in survey.sinks]
    for name, value in values.items():  # [L, B, T]
        claim.series(name, value[..., 0].T)
        claim.series(name + "_rest", value[..., 1:].mean(-1).T)
        if sinks:
            claim.metric(name, value[sinks][..., 0].mean())
            if name != "dominance_ratio_normed":
                claim.metric(name + "_rest", value[sinks][..., 1:].mean())
    if sinks:
        ratio = values["dominance_ratio"][sinks]
        claim.metric("dominance_over_rest", ratio[..., 0].mean() / ratio[..., 1:].mean())


def rank_collapse(claim, trace, survey):
    layers, _, _, width = trace.hidden[:-1].shape
    for name, form in RANK_FORMS.items():
        value = rank_series(trace.hidden, form)  # [B, L + 1]
        claim.series(name, value[:, :-1])
        if survey.dominant is not None and name != "effective_rank_squared":
            before, after = value[:, survey.dominant - 1], value[:, survey.dominant]
            suffix = name.removeprefix("effective_rank")
            claim.metric("effective_rank_drop" + suffix, 1 - after.mean() / before.mean())
        if name == "effective_rank":
            claim.metric("effective_rank_layer_mean", value[:, :-1].mean())
    stacked = [effective_rank(layer.reshape(-1, width)) for layer in trace.hidden[:-1]]
    claim.series("effective_rank_stacked", stacked, optional=True)
    claim.metric("effective_rank_stacked_layer_mean", float(np.mean(stacked)))


def mask_induced_sink(claim, model, ids, batch, trace, survey, target):
    layers, length = trace.attention.shape[0], ids.shape[1]
    sinks = [layer - 1 for layer in survey.sinks]
    last_spike = max((s["layer"] for s in survey.spikes), default=layers)
    later = list(range(last_spike + 1, layers + 1))
    late_sinks = [layer for layer in sinks if layer + 1 in later]
    alone = run(model, ids, batch, RowMask(target, [target]))
    blocked = run(model, ids, batch, RowMask(target, list(range(1, target + 1))))
    late = run(model, ids, batch, RowMask(target, [target], later))

    to_target = lambda t: column(t.attention, target, target + 1)
    to_first = lambda t: column(t.attention, 0, target + 1)
    series = {
        "attention_to_target_before": to_target(trace),
        "attention_to_target_after": to_target(alone),
        "attention_to_first_before": to_first(trace),
        "attention_to_first_after": to_first(alone),
        "target_norm_before": norms(trace.hidden[:-1])[..., target].T,
        "target_norm_after": norms(alone.hidden[:-1])[..., target].T,
        "attention_to_target_blocked_first": to_target(blocked),
        "attention_to_target_late": to_target(late),
    }
    elsewhere = ("attention_to_target_late", "attention_to_first_before")  # over other layers; no metric
    for name, values in series.items():
        claim.series(name, values)
        if sinks and not name.startswith("target_norm") and name not in elsewhere:
            claim.metric(name, values[:, sinks].mean())
    if late_sinks:
        claim.metric("attention_to_target_late", series["attention_to_target_late"][:, late_sinks].mean())
        after = series["attention_to_target_after"][:, late_sinks].mean()
        claim.metric("attention_to_target_after_late_layers", after)
    claim.series("attention_received_by_position_before", received(trace.attention, survey.sinks), "position")
    claim.series("attention_received_by_position_after", received(alone.attention, survey.sinks), "position")
    if sinks:
        mean = {name: values[:, sinks].mean() for name, values in series.items()}
        after = mean["attention_to_target_after"]
        claim.metric("target_to_first_ratio", after / mean["attention_to_first_after"])
        claim.metric("target_after_to_before_ratio", after / mean["attention_to_target_before"])


# --- logits and output ---------------------------------------------------------------------------------------


def logit_samples(logits):
    """A few logits of every sequence, and every 97th of sequence 0: enough to catch a wrong head or RoPE."""
    sequences, length, _ = logits.shape
    rows = []
    for b in range(sequences):
        for position in sorted({min(20, length - 1), length - 1}):
            row = logits[b, position]
            top = np.argsort(-row)[:5]
            rows.append(
                {
                    "sequence": b,
                    "position": position,
                    "first": numbers(row[:8]),
                    "top_ids": [int(i) for i in top],
                    "top_values": numbers(row[top]),
                }
            )
    strided = [
        {"sequence": 0, "position": p, "stride": 97, "values": numbers(logits[0, p, ::97])}
        for p in sorted({0, min(20, length - 1), length - 1})
    ]
    return {"samples": rows, "strided": strided}


def loss(logits, ids):
    """Mean cross-entropy of the next token, in nats."""
    x = torch.from_numpy(logits[:, :-1]).double()
    return torch.nn.functional.cross_entropy(x.flatten(0, 1), torch.from_numpy(ids[:, 1:]).flatten()).item()


def float64_check(model, ids, batch, logits):
    with in_float64(model):
        exact = run(model, ids, batch, keep_logits=True).logits
    return exact, float(np.abs(exact - logits.astype(np.float64)).max())


def reference(model, ids, arguments):
    trace = run(model, ids, arguments.batch, keep_logits=True)
    own = make_survey(trace)
    survey = survey_of_run(arguments.survey) if arguments.survey else own
    claims = {}
    for name in ("sink_onset", "dimension_disparity", "rank_collapse", "mask_induced_sink"):
        claims[name] = Claim(arguments.label, arguments.per_sequence)
    sink_onset(claims["sink_onset"], trace, own)
    dimension_disparity(claims["dimension_disparity"], trace, survey)
    rank_collapse(claims["rank_collapse"], trace, survey)
    if ids.shape[1] > arguments.target + 1:
        claim = claims["mask_induced_sink"]
        mask_induced_sink(claim, model, ids, arguments.batch, trace, survey, arguments.target)
    result = {
        "survey": {
            "onset_layer": own.onset,
            "sink_layers": own.sinks,
            "spikes": [{k: number(v) if k != "layer" else v for k, v in s.items()} for s in own.spikes],
            "dominant_spike": own.dominant,
        },
        "loss": number(loss(trace.logits, ids)),
        "claims": {name: claim.data for name, claim in claims.items()},
        "logits": logit_samples(trace.logits),
    }
    return result, trace.logits


def compact(value, depth=0):
    """JSON with one line per series: readable in a diff, and not one number per line."""
    if isinstance(value, dict) and value and depth < 6 and any(isinstance(v, (dict, list)) for v in value.values()):
        pad = " " * (depth + 1)
        items = [f"{pad}{json.dumps(k)}: {compact(v, depth + 1)}" for k, v in value.items()]
        return "{\n" + ",\n".join(items) + "\n" + " " * depth + "}"
    if isinstance(value, list) and value and isinstance(value[0], dict):
        pad = " " * (depth + 1)
        return "[\n" + ",\n".join(pad + json.dumps(v) for v in value) + "\n" + " " * depth + "]"
    return json.dumps(value)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gguf", required=True, help="model file")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--tokens", help="JSON Lines, one array of ids per sequence")
    source.add_argument("--random-tokens", metavar="B,T", help="B sequences of T uniform ids")
    source.add_argument("--text", help="one passage per line")
    parser.add_argument("--seed", type=int, default=1, help="of --random-tokens")
    parser.add_argument("--length", type=int, default=64, help="tokens per passage of --text")
    parser.add_argument("--save-tokens", help="write the ids as JSON Lines")
    parser.add_argument("--out", help="reference file to write")
    parser.add_argument("--survey", help="survey.json of a run: its sink layers and spikes for all but sink_onset")
    parser.add_argument("--label", default="tokens", help="name of the inputs in the series (default: tokens)")
    parser.add_argument("--target", type=int, default=10, help="masked position (default: 10)")
    parser.add_argument("--batch", type=int, default=4, help="sequences per forward")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--loader", choices=("auto", "transformers", "gguf"), default="auto")
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float32")
    parser.add_argument("--per-sequence", action="store_true", help="keep every sequence's series")
    parser.add_argument("--check-float64", action="store_true", help="largest difference of logits from float64")
    parser.add_argument("--logits-out", help="raw float32 logits [T, V] of sequence 0 (.npy: with a header)")
    return parser.parse_args()


def read_inputs(arguments):
    if arguments.tokens:
        return read_ids(arguments.tokens)
    if arguments.text:
        return ids_from_text(arguments.gguf, arguments.text, arguments.length)
    sequences, length = (int(part) for part in arguments.random_tokens.split(","))
    return random_ids(arguments.gguf, sequences, length, arguments.seed)


def write_logits(path, logits):
    if path.endswith(".npy"):
        np.save(path, logits[0])
    else:
        logits[0].astype("<f4").tofile(path)


def main():
    arguments = parse_arguments()
    torch.set_num_threads(arguments.threads)
    ids = read_inputs(arguments)
    if arguments.save_tokens:
        lines = "".join(json.dumps(row.tolist()) + "\n" for row in ids)
        Path(arguments.save_tokens).write_text(lines)
    if not arguments.out:
        return
    model, loader = load_model(arguments.gguf, arguments.loader)
    with ExitStack() as stack:
        if arguments.dtype == "float64":
            stack.enter_context(in_float64(model))
        result, logits = reference(model, ids, arguments)
    header = {
        "schema": 1,
        "model": {
            "file": Path(arguments.gguf).name,
            "sha256": hashlib.sha256(Path(arguments.gguf).read_bytes()).hexdigest(),
            "loader": loader,
            "dtype": arguments.dtype,
        },
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        "inputs": {
            "label": arguments.label,
            "sequences": ids.shape[0],
            "length": ids.shape[1],
            "sha256": ids_hash(ids),
        },
        "target": arguments.target,
    }
    if arguments.check_float64:
        exact, difference = float64_check(model, ids, arguments.batch, logits)
        header["largest_logit_difference_from_float64"] = number(difference)
        print(f"largest difference of logits, {arguments.dtype} against float64: {difference:.3g}")
        if arguments.logits_out and arguments.logits_out.endswith(".npy"):
            np.save(arguments.logits_out.removesuffix(".npy") + ".float64.npy", exact[0])
    if arguments.logits_out:
        write_logits(arguments.logits_out, logits)
    Path(arguments.out).write_text(compact({**header, **result}) + "\n")


if __name__ == "__main__":
    main()
