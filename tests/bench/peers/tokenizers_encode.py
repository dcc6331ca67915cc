#!/usr/bin/env python3
"""tokenizers_encode.py ASSETS: Hugging Face's `tokenizers`, with SmolLM2's vocabulary, on a million bytes of prose."""

import sys
from pathlib import Path

import tokenizers

from stored import tokenizer_of
from worker import serve

assets = sys.argv[1]
tokenizer = tokenizer_of(assets)
prose = (Path(assets) / "prose" / "shakespeare.txt").read_bytes()[:1_000_000]
text = prose.decode(errors="ignore")
serve(f"tokenizers {tokenizers.__version__}", lambda: tokenizer.encode(text, add_special_tokens=False), len(prose) / 1e6)
