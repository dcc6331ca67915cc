#!/usr/bin/env python3
"""A tiny random model of every supported architecture, saved by `transformers`, and what that library computes with it.

    make_architectures.py OUT [NAME...]        (tests/golden/architectures; all models, or those that are named)

Each folder holds config.json and the weights in bfloat16 (one in two shards), and expected.safetensors: ids [B, T],
logits [B, T, V], the residual stream [L, B, T, D] behind every block but the last (of which the library shows the
normed one only), and the attention to position 0 [L, B, H, T]. Computed in float32, eager attention. Where GGUF can say
what the configuration says, model.gguf holds the same weights under the names of PyPI's `gguf`.
"""

import pathlib
import shutil
import sys

import gguf
import torch
import transformers as t
from safetensors.torch import load_file, save_file

SHARED = dict(num_hidden_layers=3, hidden_size=24, num_attention_heads=4, num_key_value_heads=2, intermediate_size=32,
              vocab_size=40, max_position_embeddings=256, bos_token_id=1, eos_token_id=2, pad_token_id=0,
              initializer_range=0.25)
LLAMA3 = dict(rope_type="llama3", rope_theta=500.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
              original_max_position_embeddings=16)
NEOX = {k: v for k, v in SHARED.items() if k != "num_key_value_heads"} | {"hidden_size": 32}

GPT2 = dict(n_layer=3, n_embd=24, n_head=4, n_positions=16, vocab_size=40, bos_token_id=1, eos_token_id=1, initializer_range=0.25)
OPT = {k: v for k, v in SHARED.items() if k not in ("num_key_value_heads", "intermediate_size", "initializer_range", "max_position_embeddings")} | {
    "ffn_dim": 32, "word_embed_proj_dim": 24, "max_position_embeddings": 16, "init_std": 0.25}

MODELS = {
    "llama2": t.LlamaConfig(**SHARED, head_dim=8),
    "llama3": t.LlamaConfig(**SHARED, head_dim=8, rope_parameters=LLAMA3, tie_word_embeddings=True),
    "llama_linear_bias": t.LlamaConfig(**SHARED, attention_bias=True,
                                       rope_parameters=dict(rope_type="linear", rope_theta=10000.0, factor=4.0)),
    "mistral": t.MistralConfig(**SHARED, head_dim=8, sliding_window=5),
    "qwen2": t.Qwen2Config(**SHARED),
    "qwen2_sliding": t.Qwen2Config(**SHARED, use_sliding_window=True, sliding_window=5, max_window_layers=1),
    "qwen3": t.Qwen3Config(**SHARED, head_dim=12),
    "smollm3": t.SmolLM3Config(**{**SHARED, "num_hidden_layers": 4}),
    "olmo2": t.Olmo2Config(**SHARED),
    "gemma3": t.Gemma3TextConfig(**SHARED, head_dim=12, query_pre_attn_scalar=10, sliding_window=5,
                                 layer_types=["sliding_attention", "full_attention", "sliding_attention"]),
    # As converters write Gemma to GGUF: without a key for the pattern of six layers or the scale of scores.
    "gemma3_six": t.Gemma3TextConfig(**{**SHARED, "num_hidden_layers": 7, "intermediate_size": 16, "num_key_value_heads": 1}, head_dim=8,
                                     query_pre_attn_scalar=8, sliding_window=5),
    "phi3": t.Phi3Config(**{**SHARED, "num_attention_heads": 3, "num_key_value_heads": 1}, rope_parameters=dict(rope_type="default", rope_theta=10000.0,
                                                        partial_rotary_factor=0.5)),
    "gpt_neox": t.GPTNeoXConfig(**NEOX, rope_parameters=dict(rope_type="default", rope_theta=500.0, partial_rotary_factor=0.5)),
    "gpt2": t.GPT2Config(**GPT2),
    "gpt2_untied": t.GPT2Config(**GPT2, n_inner=40, activation_function="relu", tie_word_embeddings=False),
    "opt": t.OPTConfig(**OPT),
    "gpt_neox_serial": t.GPTNeoXConfig(**NEOX, use_parallel_residual=False, tie_word_embeddings=False),
}
SHARDED = "llama2"

# Those that GGUF can hold, by its name of the architecture.
IN_GGUF = {"llama2": "llama", "llama3": "llama", "qwen2": "qwen2", "qwen3": "qwen3", "smollm3": "smollm3",
           "olmo2": "olmo2", "gemma3": "gemma3", "gemma3_six": "gemma3", "phi3": "phi3", "gpt2": "gpt2"}
ADJACENT_PAIRS = ("llama", "smollm3")  # llama.cpp rotates their heads by neighbouring dimensions


def make_weights_matter(model):
    """Gains and biases start at ones and zeros, where leaving them out would not be seen."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() == 1:
                weight.add_(0.3 * torch.randn(weight.shape, generator=generator))


def expected(model, ids):
    out = model(ids, output_hidden_states=True, output_attentions=True)
    return {"ids": ids,
            "logits": out.logits,
            "residual": torch.stack(out.hidden_states[1:-1]),
            "attention_to_first": torch.stack([a[..., 0] for a in out.attentions])}


def adjacent_pairs(weight, heads):
    """The order of rows in which llama.cpp keeps Q and K of some architectures."""
    return weight.reshape(heads, 2, -1, weight.shape[1]).transpose(1, 2).reshape(weight.shape)


def write_gpt2(folder, config):
    """As llama.cpp's converter does: matrices with a row per output, and a table of positions."""
    writer = gguf.GGUFWriter(folder / "model.gguf", "gpt2")
    writer.add_block_count(config.n_layer)
    writer.add_context_length(config.n_positions)
    writer.add_embedding_length(config.n_embd)
    writer.add_feed_forward_length(4 * config.n_embd)
    writer.add_head_count(config.n_head)
    writer.add_layer_norm_eps(config.layer_norm_epsilon)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.GPT2, config.n_layer)
    for name, weight in load_file(folder / "model.safetensors").items():
        if name.endswith((".c_attn.weight", ".c_proj.weight", ".c_fc.weight")):
            weight = weight.t().contiguous()
        vector = weight.dim() == 1
        writer.add_tensor(names.get_name(name, (".weight", ".bias")), weight.float().numpy() if vector else weight.view(torch.uint8).numpy(),
                          raw_dtype=None if vector else gguf.GGMLQuantizationType.BF16)
    write_out(writer)


def write_out(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_gguf(folder, config, architecture):
    if architecture == "gpt2":
        return write_gpt2(folder, config)
    writer = gguf.GGUFWriter(folder / "model.gguf", architecture)
    head_width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    writer.add_block_count(config.num_hidden_layers)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(head_width)
    writer.add_value_length(head_width)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    if architecture == "gemma3":
        writer.add_sliding_window(config.sliding_window)
        full = config.layer_types.index("full_attention") + 1
        if full != 6:
            writer.add_sliding_window_pattern(full)
        if config.query_pre_attn_scalar != head_width:
            writer.add_attention_scale(config.query_pre_attn_scalar ** -0.5)
    rope = config.rope_parameters.get("full_attention", config.rope_parameters)
    writer.add_rope_freq_base(rope["rope_theta"])
    writer.add_rope_dimension_count(int(head_width * rope.get("partial_rotary_factor", 1)))
    names = gguf.get_tensor_name_map({v: k for k, v in gguf.MODEL_ARCH_NAMES.items()}[architecture],
                                     config.num_hidden_layers)
    if rope["rope_type"] == "llama3":
        frequencies, _ = t.modeling_rope_utils.ROPE_INIT_FUNCTIONS["llama3"](config, "cpu")
        plain = rope["rope_theta"] ** -(torch.arange(0, head_width, 2) / head_width)
        writer.add_tensor("rope_freqs.weight", (plain / frequencies).numpy())
    for file in sorted(folder.glob("model*.safetensors")):
        for name, weight in load_file(file).items():
            if architecture in ADJACENT_PAIRS and name.endswith("q_proj.weight"):
                weight = adjacent_pairs(weight, config.num_attention_heads)
            if architecture in ADJACENT_PAIRS and name.endswith("k_proj.weight"):
                weight = adjacent_pairs(weight, config.num_key_value_heads)
            vector = weight.dim() == 1
            if architecture == "gemma3" and vector:
                weight = weight.float() + 1
            data = weight.float().numpy() if vector else weight.view(torch.uint8).numpy()
            writer.add_tensor(names.get_name(name, (".weight", ".bias")), data,
                              raw_dtype=None if vector else gguf.GGMLQuantizationType.BF16)
    write_out(writer)


def main():
    out = pathlib.Path(sys.argv[1])
    for name in sys.argv[2:] or MODELS:
        config = MODELS[name]
        torch.manual_seed(0)
        config.attn_implementation = "eager"
        model = t.AutoModelForCausalLM.from_config(config, attn_implementation="eager")
        make_weights_matter(model)
        model = model.to(torch.bfloat16)
        folder = out / name
        shutil.rmtree(folder, ignore_errors=True)
        model.save_pretrained(folder, max_shard_size="30KB" if name == SHARDED else "1GB")
        (folder / "generation_config.json").unlink(missing_ok=True)
        model = t.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
        ids = torch.randint(0, config.vocab_size, (2, 11), generator=torch.Generator().manual_seed(2))
        with torch.no_grad():
            save_file({k: v.contiguous() for k, v in expected(model, ids).items()}, folder / "expected.safetensors")
        if name in IN_GGUF:
            write_gguf(folder, config, IN_GGUF[name])
        print(name, sum(p.stat().st_size for p in folder.iterdir()), "bytes")


if __name__ == "__main__":
    main()
