#!/usr/bin/env python3
"""A GGUF file of Llama-2-7B's shape in Q4_0, of random numbers, to see what memory and reading a model costs that is larger than both.

    make_large_gguf.py OUT.gguf [LAYERS]        (3.8 GB for 32 layers)

    /usr/bin/time -v build/release/replicate --only sink_onset --model OUT.gguf --profile smoke ...

Written with PyPI's `gguf`. The tokenizer is byte-level BPE without merges, filled up with tokens that no text has.
"""

import sys

import gguf
import numpy as np

LAYERS, WIDTH, HEADS, HIDDEN, VOCABULARY = 32, 4096, 32, 11008, 32000
BLOCK, BLOCK_BYTES = 32, 18  # of Q4_0: a float16 scale, 32 numbers of 4 bits


def byte_tokens():
    """How byte-level BPE spells the 256 bytes."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = iter(range(256, 512))
    return [chr(b) if b in plain else chr(next(others)) for b in range(256)]


def matrix(random, rows, columns):
    """Numbers of a standard deviation of about 0.02."""
    blocks = random.integers(0, 256, (rows, columns // BLOCK, BLOCK_BYTES), dtype=np.uint8)
    blocks[..., :2] = np.frombuffer(np.float16(0.0043).tobytes(), np.uint8)
    return blocks.reshape(rows, -1)


def shapes(layers):
    yield "token_embd.weight", (VOCABULARY, WIDTH)
    for layer in range(layers):
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            yield f"blk.{layer}.{name}.weight", (WIDTH, WIDTH)
        yield f"blk.{layer}.ffn_gate.weight", (HIDDEN, WIDTH)
        yield f"blk.{layer}.ffn_up.weight", (HIDDEN, WIDTH)
        yield f"blk.{layer}.ffn_down.weight", (WIDTH, HIDDEN)
        yield f"blk.{layer}.attn_norm.weight", (WIDTH,)
        yield f"blk.{layer}.ffn_norm.weight", (WIDTH,)
    yield "output_norm.weight", (WIDTH,)
    yield "output.weight", (VOCABULARY, WIDTH)


def main():
    layers = int(sys.argv[2]) if len(sys.argv) > 2 else LAYERS
    writer = gguf.GGUFWriter(sys.argv[1], "llama")
    writer.add_block_count(layers)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(HIDDEN)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_context_length(4096 + 1)  # not Llama-2-7B itself
    tokens = byte_tokens() + ["ab"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens + [f"<filler{i}>" for i in range(VOCABULARY - len(tokens))])
    writer.add_token_merges(["a b"])
    for name, shape in shapes(layers):
        vector = len(shape) == 1
        stored = (shape[0], shape[-1] // BLOCK * BLOCK_BYTES)
        writer.add_tensor_info(name, shape if vector else stored, np.float32 if vector else np.uint8,
                               4 * shape[0] if vector else stored[0] * stored[1],
                               raw_dtype=None if vector else gguf.GGMLQuantizationType.Q4_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    random = np.random.default_rng(0)
    for _, shape in shapes(layers):
        writer.write_tensor_data(np.ones(shape, np.float32) if len(shape) == 1 else matrix(random, *shape))
    writer.close()


if __name__ == "__main__":
    main()
