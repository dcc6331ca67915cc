"""The tables of docs/results.md: what the recorded runs of the second edition say of the models. A part of docs_tables.py."""

import csv
import json
import re
import sys

EARLIER_EDITION = 1
OUTCOMES = ("pass", "fail", "inconclusive")  # of a claim that was judged
ALL_STAGES = 0  # the spike under which a record has the verdict of all stages together


def read_runs(folder):
    """{model or profile: {claim: record}} of the runs that today's edition judged."""
    runs = {}
    for file in sorted(folder.glob("*/*/record.json")):
        record = json.loads(file.read_text("utf-8"))
        if record.get("edition", EARLIER_EDITION) == EARLIER_EDITION:
            continue
        name = record["profile"] if record["kind"] == "training" else record["model"]["name"]
        if record["claim"] in runs.setdefault(name, {}):
            sys.exit(f"docs_tables: {record['claim']} of {name} is in two runs: {file}")
        runs[name][record["claim"]] = record
    return runs


def agreeing(record):
    """"3 of 4", of the variations that could be counted; empty where there is none."""
    counted = [variation["agrees"] for variation in record["variations"] if variation["agrees"] is not None]
    return f"{sum(counted)} of {len(counted)}" if counted else ""


def later_stages(record):
    """"layer 12: fail", of the stages after the one that decides."""
    return ", ".join(f"layer {stage['spike']}: {stage['verdict']}" for stage in record["stages"][1:] if stage["spike"] != ALL_STAGES)


def shown_verdict(record):
    """In bold where it contradicts the paper."""
    return f"**{record['verdict']}**" if record["bearing"] == "contradicts" else record["verdict"]


def outcome(record):
    """"**fail**, contradicts; layer 12: pass; 4 of 4", with the parts that there are."""
    if record is None:
        return ""
    verdict = shown_verdict(record) + ("" if record["bearing"] == "silent" else f", {record['bearing']}")
    return "; ".join(part for part in (verdict, later_stages(record), agreeing(record)) if part)


def row(cells):
    return "| " + " | ".join(cells) + " |\n"


def verdict_table(claims, names, runs):
    """A row per claim; of each model the verdict, its bearing, the other stages' verdicts, and how many variations agree."""
    columns = [f"{name} ({standing})" if (standing := standing_of(runs[name])) else name for name in names]
    text = row(["claim", *columns]) + "|---" * (len(columns) + 1) + "|\n"
    for claim in claims:
        records = [runs[name].get(claim["id"]) for name in names]
        if any(records):
            text += row([f"`{claim['id']}`", *map(outcome, records)])
    return text + "\n"


def standing_of(records):
    """Of a run all of whose judged claims have one standing."""
    standings = {record["standing"] for record in records.values() if record["verdict"] in OUTCOMES}
    return standings.pop() if len(standings) == 1 else ""


def measured(record, name):
    """The metric that was judged: at the first stage, where there are several."""
    return next((metric for metric in record["metrics"] if metric["name"] == name), None)


def number(value):
    if abs(value) < 1e-6:
        return "0"
    return f"{value:.3g}" if abs(value) < 999.5 else f"{value:.0f}"


def with_interval(metric):
    if metric is None or metric["value"] is None:
        return ""
    low, high = metric.get("low"), metric.get("high")
    interval = "" if low is None else f" [{number(low)}, {number(high)}]"
    return number(metric["value"]) + interval


def judged(record):
    """{(metric, what is wanted of it): outcome} of a record's criteria, checks and controls, in this order."""
    found = {}
    for kind, findings in (("", record["criteria"]), ("check: ", record["checks"])):
        for finding in findings:
            found[finding["metric"], f"{kind}{finding['op']} {number(finding['threshold'])}"] = finding["outcome"]
    for control in record["controls"]:
        found[control["metric"], f"control: below {number(control['fraction'])} x `{control['of']}`"] = control["outcome"]
    return found


def cell(record, key):
    """The number, in bold where it is not as wanted; empty where the record does not have it."""
    outcome_of = judged(record).get(key) if record else None
    text = with_interval(measured(record, key[0])) if outcome_of else ""
    return f"**{text}**" if text and outcome_of in ("fail", "fires") else text


def numbers_table(claims, names, runs):
    """A row per judged number, with its 95% interval."""
    text = row(["claim", "judged number", "wanted", *names]) + "|---" * (3 + len(names)) + "|\n"
    for claim in claims:
        records = [runs[name].get(claim["id"]) for name in names]
        for metric, wanted in {key: None for record in filter(None, records) for key in judged(record)}:
            cells = [cell(record, (metric, wanted)) for record in records]
            if any(cells):
                text += row([f"`{claim['id']}`", f"`{metric}`", wanted, *cells])
    return text + "\n"


EDITS = {"untouched": "none", "zero": "`zero`: nothing is written", "mean_over_positions": "`mean_over_positions`: the mean over later positions",
         "mean_over_texts": "`mean_over_texts`: the mean over other texts", "densify": "`densify`: a random dense direction",
         "relocate": "`relocate`: one other dimension"}
OF_AN_EDIT = ("removed_share", "dominance_to_rest", "largest_column", "loss")


def edits_table(names, runs):
    """What each edit of the super neurons' write at position 0 does, per model and stage: `falsification` and its second half."""
    text = row(["model", "spike", "edit", "share of the sink that goes", "dominance to the others'", "largest column", "loss"])
    text += "|---" * 7 + "|\n"
    for name in names:
        record = runs[name].get("falsification")
        for stage in record["stages"] if record else []:
            values = {metric["name"]: metric["value"] for metric in record["metrics"] if metric["where"] == {"spike": stage["spike"]}}
            spike = f"layer {stage['spike']}" if stage["spike"] != ALL_STAGES else "all"
            for edit, words in EDITS.items():
                cells = [values.get(f"table_{quantity}_{edit}") for quantity in OF_AN_EDIT]
                if any(cell is not None for cell in cells):
                    text += row([name, spike, words, *("" if cell is None else number(cell) for cell in cells)])
    return text + "\n"


# Claim, metric, the paper's number of it, and what the number is; the claims' YAML has the sources in words.
EFFECTS = (
    ("output_projection_alignment", "kendall_tau_exact", 0.32, "tau of the absolute weights of W_O with the variance of their inputs (Llama-2-7B)"),
    ("dimension_disparity", "dominance_per_dimension_least", 200 / 4096, "dominance per dimension of the width: above 200 of 4096 (Llama-2-7B)"),
    ("qk_locking", "sink_key_alignment", 1, "alignment of the sink's key with the queries' direction: near 1"),
    ("qk_locking", "sink_key_positive_share", 1, "share of positive scores on it: near 1"),
    ("convergence_speedup", "relative_loss_difference", 2.7421 / 2.7812 - 1, "validation loss with head-wise RMSNorm, relative to without (152M)"),
    ("rank_preservation", "relative_rank_difference", 445.96 / 343.71 - 1, "effective rank with head-wise RMSNorm, relative to without (152M)"),
)


def effects_table(runs):
    """Where the paper gives a number: that number, ours with its 95% interval, and ours over the paper's."""
    text = row(["claim", "what", "paper", "model or profile", "here", "here / paper"]) + "|---" * 6 + "|\n"
    for claim, name, paper, what in EFFECTS:
        for run, records in runs.items():
            metric = measured(records[claim], name) if claim in records else None
            if metric and metric["value"] is not None:
                cells = (number(paper), run, with_interval(metric), number(metric["value"] / paper))
                text += row([f"`{claim}`", what, *cells])
    return text + "\n"


def read_robustness(folder):
    """{model: {change: {claim: verdict}}} of scripts/keep_robustness.py."""
    found = {}
    for file in sorted(folder.glob("*.csv")):
        for one in csv.DictReader(file.open(encoding="utf-8")):
            found.setdefault(file.stem, {}).setdefault(one["change"], {})[one["claim"]] = one["verdict"]
    return found


def natural_order(text):
    """weight noise 2 before weight noise 10."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", text)]


def robustness_table(names, runs, robustness):
    """A row per model and change: how many verdicts differ from the recorded ones, and which."""
    text = row(["model", "change", "claims", "verdicts that change", "which"]) + "|---" * 5 + "|\n"
    for name in names:
        for change, verdicts in sorted(robustness.get(name, {}).items(), key=lambda item: natural_order(item[0])):
            recorded = {claim: runs[name][claim]["verdict"] for claim in verdicts if claim in runs[name]}
            moved = [f"`{claim}`: {verdict} to {verdicts[claim]}" for claim, verdict in recorded.items() if verdicts[claim] != verdict]
            text += row([name, change, str(len(recorded)), str(len(moved)), ", ".join(moved)])
    return text + "\n"


ORDER = ("smollm2", "gemma3-270m")  # in which models were measured; others follow


def models_of(claims, runs):
    """The names of the runs that are about models."""
    kinds = {claim["id"]: claim["kind"] for claim in claims}
    names = [name for name, records in runs.items() if any(kinds.get(claim) != "training" for claim in records)]
    return sorted(names, key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name))


def tables(claims, runs, robustness):
    models = models_of(claims, runs)
    profiles = sorted(set(runs) - set(models))
    text = "### Verdicts about models\n\n" + verdict_table(claims, models, runs)
    text += "### What was judged\n\n" + numbers_table(claims, models, runs)
    text += "### Effect sizes\n\n" + effects_table({name: runs[name] for name in [*models, *profiles]})
    if robustness:
        text += "### With other weights and other arithmetic\n\n" + robustness_table(models, runs, robustness)
    text += "### Edits of what the super neurons write at position 0\n\nLosses are in nats per token.\n\n" + edits_table(models, runs)
    if profiles:
        text += "### Verdicts about training\n\n" + verdict_table(claims, profiles, runs) + numbers_table(claims, profiles, runs)
    return text.rstrip("\n") + "\n"
