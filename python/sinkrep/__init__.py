"""Runs of `replicate` in Python: what a run recorded, as pandas tables, and new runs.

    import sinkrep

    run = sinkrep.read("results/x")                   # or sinkrep.run(model="smollm2", only="sink_onset")
    run.verdicts                                      # a row per claim
    run["sink_onset"].curve("excess_attention")       # a row per layer

Layers and heads count from 1, positions, neurons and dimensions from 0, as in the reports. docs/measures.md explains what each
number is. Whatever a run lacks or cannot give is a `RunError`; a claim or a curve that is not there is an `UnknownName`.
"""

from .errors import RunError, UnknownName
from .program import run
from .recorded import Claim, Map, Run, read

__all__ = ["Claim", "Map", "Run", "RunError", "UnknownName", "read", "run"]
