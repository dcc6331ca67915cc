#!/usr/bin/env python3
"""llama_cpp_forward.py ASSETS 1024: llama.cpp's prefill of one prompt on the file's own quantised weights."""

import os
import sys

import xllamacpp

from stored import gguf_of, random_ids
from worker import serve

assets, length = sys.argv[1], int(sys.argv[2])
threads = int(os.environ["OMP_NUM_THREADS"])
parameters = xllamacpp.CommonParams()
parameters.model.path = gguf_of(assets)
parameters.n_ctx, parameters.n_parallel = 2 * length, 1
parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = threads
server = xllamacpp.Server(parameters)
ids = random_ids(1, length)[0].tolist()


def prefill():
    server.handle_completions({"prompt": ids, "n_predict": 1, "cache_prompt": False})


serve(f"llama.cpp in xllamacpp {xllamacpp.__version__}", prefill, length)
