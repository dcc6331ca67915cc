"""What a run left: records, surveys and, with --save-inputs, the token ids of every claim."""

import csv
import hashlib
import json
from pathlib import Path

import numpy as np
import torch
import yaml


class Survey:
    def __init__(self, path):
        data = json.loads(Path(path).read_text())
        self.sinks, self.rest_norm = data["sink_layers"], data["rest_norm"]
        self.stages = [s for s in data["stages"] if s["spike"] and s["sinks"]]
        self.writers = {w["spike"]: w for w in data["stage_writers"]}
        self.apart = data.get("writers_apart")


class Stage:
    """One stage of the model, or all of them together (spike 0)."""

    def __init__(self, survey, stages):
        self.spikes = [s["spike"] for s in stages]
        self.sinks = sorted(layer for s in stages for layer in s["sinks"])
        self.first_sinks = [s["sinks"][0] for s in stages]
        self.first_sink_after = {s["spike"]: s["sinks"][0] for s in stages}
        self.writers = [survey.writers[spike] for spike in self.spikes]
        self.name = self.spikes[0] if len(stages) == 1 else 0

    def neurons(self):
        """[(layer, neurons)]"""
        return [(w["spike"], w["neurons"]) for w in self.writers]


class ClaimFolder:
    """One claim of a run, and how its definition was set there."""

    def __init__(self, run, claim):
        folder = Path(run) / claim
        self.run, self.id = Path(run), claim
        self.record = json.loads((folder / "record.json").read_text())
        self.parameters = yaml.safe_load(self.record["parameters"])
        self.samples = read_samples(folder / "samples.csv")
        self.inputs = given_inputs(self.run) or read_inputs(folder / "inputs.jsonl")

    def given(self):
        """Whether the ids were given with --tokens."""
        return self.inputs[0]["label"] == "tokens"

    def judged_on(self):
        return "tokens" if self.given() else self.parameters.get("judged_on", "natural")

    def survey(self):
        """Of the inputs that the claim is judged on. Where a model is measured with BOS, natural inputs have it."""
        named = self.run / f"survey_{self.judged_on()}.json"
        return Survey(named if named.is_file() else self.run / "survey.json")

    def stages(self):
        """Those that the record judges: each, and all together."""
        survey = self.survey()
        alone = [Stage(survey, [s]) for s in survey.stages]
        together = [Stage(survey, survey.stages)] if len(alone) > 1 else []
        judged = {s["spike"] for s in self.record["stages"]}
        return [stage for stage in alone + together if stage.name in judged]

    def ids(self, label=None, region="judged"):
        """[B, T]: the first inputs of that label; those of the judged condition come first."""
        label = label or self.judged_on()
        for entry in self.inputs:
            if entry["label"] != label or entry["region"] != region:
                continue
            if sha256(entry["ids"]) not in {e["sha256"] for e in self.record["inputs"]}:
                raise SystemExit(f"{self.id}: the ids '{label}' are none of the record's inputs")
            return torch.tensor(entry["ids"], dtype=torch.int64)
        return None

    def of(self, name, spike=None):
        """The record's value of a judged metric; None where it has none."""
        for metric in self.record["metrics"]:
            where = metric.get("where") or {}
            if metric["name"] == name and (spike is None or where.get("spike") == spike):
                return metric["value"]
        return None


def read_inputs(path):
    if not path.is_file():
        raise SystemExit(f"{path} is missing: run with --save-inputs")
    return [json.loads(line) for line in path.read_text().splitlines()]


def given_inputs(run):
    """--tokens: the first third finds layers and means, the rest is judged. None of another run."""
    file = run / "tokens.jsonl"
    if not file.is_file():
        return None
    rows = [json.loads(line) for line in file.read_text().splitlines() if line.strip()]
    parts = {"calibration": rows[: len(rows) // 3], "judged": rows[len(rows) // 3 :]}
    return [{"label": "tokens", "region": region, "ids": ids} for region, ids in parts.items()]


def sha256(ids):
    """Over little-endian int64, row major, as a record has it."""
    return hashlib.sha256(np.array(ids, dtype="<i8").tobytes()).hexdigest()


def read_samples(path):
    """(metric, where) -> values, of the first inputs that a metric was measured on"""
    found, inputs = {}, {}
    if not path.is_file():
        return found
    with path.open() as file:
        for row in csv.DictReader(file):
            key = row["metric"], row["where"]
            if inputs.setdefault(key, row["inputs"]) == row["inputs"]:
                found.setdefault(key, []).append(float(row["value"]))
    return found
