#!/usr/bin/env python3
"""Computes the judged numbers of a run again, without any code of this project, and compares.

    ./replicate --all --save-inputs --out RUN
    check_judged.py --gguf MODEL.gguf RUN [--claims REGEX] [--tolerance 1e-3]

Model file, token ids and survey (layers, neurons, dimensions) are the run's; everything else is computed from the
definitions in docs/measures.md by the modules in judged/. Each judged metric agrees when |run - own| <= tolerance *
max(|own|, floor). Where the run draws something at random, this script draws several times and the run's number has to
lie where one more draw would lie (99.7%). Prints one line per metric, and the p values of means again from samples.csv.
Exit status 1 if anything differs or nothing was compared. For models of the Llama and Qwen2 architectures in a
GGUF file.
"""

import argparse
import math
import re
import sys
import time
from pathlib import Path

import torch

from judged import amplified, edits, masks, neurons, sinks, values, verdicts
from judged.numbers import Drawn
from judged.passes import Model
from judged.run_folder import ClaimFolder
from transformers_reference import load_model

CLAIMS = {
    function.__name__: function
    for function in (
        values.variance_discrepancy,
        values.discrepancy_amplification,
        values.output_projection_alignment,
        neurons.super_neuron_alignment,
        sinks.sink_onset,
        neurons.dimension_disparity,
        sinks.qk_locking,
        values.head_imbalance,
        neurons.rank_collapse,
        values.position_bias,
        masks.mask_induced_sink,
        amplified.variance_scaling,
        amplified.variance_substitutes,
        masks.side_effects,
        masks.super_neuron_mediation,
        masks.disparity_mediation,
        edits.falsification,
        edits.falsification_densify,
        edits.write_direction,
        sinks.sink_source,
    )
}


def compare(run, own, tolerance, floor):
    """-> difference relative to max(|own|, floor), whether it agrees, own value as text"""
    if isinstance(own, Drawn):
        low, high = own.range()
        if run is None:
            return math.inf, False, f"[{low:.6g}, {high:.6g}]"
        inside = low <= run <= high
        near = abs(run - own.mean()) / max(abs(own.mean()), floor)
        return near, inside or near <= tolerance, f"{own.mean():.6g} [{low:.4g}, {high:.4g}]"
    if run is None or own is None:
        return (0.0, True, "-") if run is own else (math.inf, False, "-" if own is None else f"{own:.8g}")
    difference = abs(run - own) / max(abs(own), floor)
    return difference, difference <= tolerance, f"{own:.8g}"


def judged_metrics(claim):
    """(metric, spike) of every criterion, check and control of the record, at every stage that it judges"""
    record = claim.record
    found = set()
    for stage in record["stages"] or [record]:
        spike = stage.get("spike")
        for kind in ("criteria", "checks", "controls"):
            for finding in stage.get(kind) or []:
                found |= {(finding[key], spike) for key in ("metric", "of") if finding.get(key)}
    return found


def check_claim(claim, own, arguments):
    """Prints one line per metric. -> how many were compared, how many differ"""
    compared, differ, seen = 0, 0, set()
    for spike, metrics in own.items():
        for name, value in metrics.items():
            run = claim.of(name, spike)
            seen.add((name, spike))
            difference, agrees, text = compare(run, value, arguments.tolerance, arguments.floor)
            at = name if spike is None else f"{name}[spike={spike}]"
            shown = "-" if run is None else f"{run:.8g}"
            print(f"{claim.id:<27} {at:<52} {shown:>14} {text:>34} {difference:>9.1e} {'' if agrees else 'DIFFERS'}")
            compared, differ = compared + 1, differ + (not agrees)
    for name, spike in sorted(judged_metrics(claim) - seen, key=str):
        if claim.of(name, spike) is not None:
            print(f"{claim.id:<27} {name:<52} is judged at spike {spike} and not computed here  DIFFERS")
            differ += 1
    return compared, differ


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", help="folder of a run with --save-inputs")
    parser.add_argument("--gguf", required=True, help="the model file of the run")
    parser.add_argument("--claims", default="", help="regular expression; every claim of the run otherwise")
    parser.add_argument("--tolerance", type=float, default=1e-3)
    parser.add_argument("--floor", type=float, default=1e-2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--loader", choices=("auto", "transformers", "gguf"), default="auto")
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    torch.set_num_threads(arguments.threads)
    whole = load_model(arguments.gguf, arguments.loader)[0].requires_grad_(False)
    model, compared, differ = Model(whole), 0, 0
    print(f"{'claim':<27} {'metric':<52} {'run':>14} {'own value or range':>34} {'relative':>9}")
    for name, function in CLAIMS.items():
        if not re.search(arguments.claims, name) or not (Path(arguments.run) / name / "record.json").is_file():
            continue
        claim, start = ClaimFolder(arguments.run, name), time.time()
        if claim.record["verdict"] in ("not applicable", "error"):
            print(f"{name:<27} {claim.record['verdict']}: {claim.record['reason']}")
            continue
        found = check_claim(claim, function(model, claim), arguments)
        of_tests = verdicts.check(claim)
        compared, differ = compared + found[0] + of_tests[0], differ + found[1] + of_tests[1]
        print(f"{name:<27} {time.time() - start:.0f} s", flush=True)
    print(f"\n{compared} numbers compared, {differ} differ")
    sys.exit(1 if differ or not compared else 0)


if __name__ == "__main__":
    main()
