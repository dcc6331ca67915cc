#!/usr/bin/env python3
"""Writes tests/golden/quantization: random blocks and what PyPI `gguf` decodes them to.

    pip install gguf
    python tests/reference/make_quantization.py [tests/golden/quantization]

<TYPE>.bin: the stored bytes of 8 blocks (256 numbers where a type has no blocks), then their numbers as
float32, little endian.
"""

import pathlib
import sys

import gguf
import numpy as np

BLOCKS = 8
TYPES = ["F32", "F16", "BF16", "Q4_0", "Q4_1", "Q8_0", "Q5_0", "Q5_1", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K"]
# Scale, minimum: float16 at this byte of a block, and how many of them; all other bytes may be anything.
HALVES = {
    "Q4_0": (0, 1),
    "Q4_1": (0, 2),
    "Q8_0": (0, 1),
    "Q5_0": (0, 1),
    "Q5_1": (0, 2),
    "Q2_K": (80, 2),
    "Q3_K": (108, 1),
    "Q4_K": (0, 2),
    "Q5_K": (0, 2),
    "Q6_K": (208, 1),
}


def random_halves(rng, count):
    """Any finite float16: subnormal, negative and zero ones too."""
    halves = rng.integers(0, 0x7C00, count, dtype=np.uint16) | rng.integers(0, 2, count, dtype=np.uint16) << 15
    halves[: 6 if count > 6 else 0] = [0, 0x8000, 1, 0x83FF, 0x0400, 0x7BFF]
    return halves.astype("<u2")


def numbers_in(name):
    return BLOCKS * max(32, gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[name]][0])


def stored_bytes(rng, name):
    count = numbers_in(name)
    if name == "F32":
        return rng.standard_normal(count).astype("<f4").view(np.uint8)
    if name == "F16":
        return random_halves(rng, count).view(np.uint8)
    if name == "BF16":
        return (rng.standard_normal(count).astype("<f4").view("<u4") >> 16).astype("<u2").view(np.uint8)
    _, size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[name]]
    blocks = rng.integers(0, 256, (BLOCKS, size), dtype=np.uint8)
    start, halves = HALVES[name]
    blocks[:, start : start + 2 * halves] = random_halves(rng, BLOCKS * halves).view(np.uint8).reshape(BLOCKS, -1)
    return blocks.reshape(-1)


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "tests/golden/quantization")
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(20240707)
    for name in TYPES:
        stored = stored_bytes(rng, name)
        typed = stored.view("<f4") if name == "F32" else stored.view("<f2") if name == "F16" else stored
        numbers = gguf.quants.dequantize(typed, gguf.GGMLQuantizationType[name]).astype("<f4")
        assert numbers.size == numbers_in(name) and np.isfinite(numbers).all()
        (folder / f"{name}.bin").write_bytes(stored.tobytes() + numbers.tobytes())


if __name__ == "__main__":
    main()
