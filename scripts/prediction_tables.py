"""The table of docs/predictions.md: what was predicted of each claim and, once the model is recorded, what came of it and
each forecaster's score. A part of docs_tables.py."""

import re
import sys

from results_tables import OUTCOMES

FORECASTERS = {"paper": "the paper", "smollm2": "SmolLM2", "rivals": "the rivals"}
OF_A_MODEL = ("date", "sha256", "profile", "smollm2_commit")
CLAIM = re.compile(r"^      (\w+): \{version: (\d+), paper: \[(.*?)\], smollm2: \[(.*?)\], rivals: \[(.*?)\]\}$")
BEYOND = "beyond"  # the family of claims that go beyond the paper
NO_PREDICTION = [0.5, 0.25, 0.25]


def read_predictions(text):
    """{model: {"sha256": ..., "profile": ..., "claims": {claim: {"version": ..., forecaster: its three probabilities}}}}"""
    models, model = {}, None
    for number, line in enumerate(text.splitlines(), 1):
        if re.match(r"^\s*(#|$)", line) or line in ("models:", "    claims:"):
            continue
        if match := re.match(r"^  (\S+):$", line):
            model = models.setdefault(match[1], {"claims": {}})
        elif (match := re.match(r"^    (\w+): (\S+)$", line)) and match[1] in OF_A_MODEL:
            model[match[1]] = match[2]
        elif (match := CLAIM.match(line)) and match[1] not in model["claims"]:
            lists = [[float(number) for number in numbers.split(",")] for numbers in match.groups()[2:]]
            model["claims"][match[1]] = {"version": int(match[2])} | dict(zip(FORECASTERS, lists))
        else:
            sys.exit(f"docs_tables: this line is not laid out as the others are (predictions.yaml:{number}): {line}")
    return models


def is_predicted(record, prediction):
    """The program calls a verdict confirmatory where the file, the profile, the version and all settings are as predicted."""
    predicted = prediction["claims"].get(record["claim"])
    return (predicted is not None and record["standing"] == "confirmatory" and record["version"] == predicted["version"]
            and record["profile"] == prediction["profile"] and record["model"]["sha256"] == prediction["sha256"])


def verdicts_of(prediction, runs):
    """{claim: verdict} of the run that was predicted; `runs`: of results_tables.read_runs."""
    found = [record for run in runs.values() for record in run.values()
             if record["kind"] != "training" and is_predicted(record, prediction)]
    verdicts = {record["claim"]: record["verdict"] for record in found}
    if len(verdicts) < len(found):
        sys.exit("docs_tables: a predicted claim is recorded twice: keep the first complete run")
    return verdicts


def brier(probabilities, verdict):
    """0: certain of what happened; 2: certain of something else."""
    return sum((probability - (outcome == verdict)) ** 2 for outcome, probability in zip(OUTCOMES, probabilities))


def means(predicted, verdicts):
    """"the paper 0.615, SmolLM2 ..." over these claims."""
    scores = {key: [brier(predicted[claim][key], verdict) for claim, verdict in verdicts.items()] for key in FORECASTERS}
    return ", ".join(f"{name} {sum(scores[key]) / len(verdicts):.3f}" for key, name in FORECASTERS.items())


def scores_text(claims, predicted, verdicts):
    """The forecasters' mean scores over all claims that ended with an outcome, and over two parts of them."""
    scored = {claim: verdict for claim, verdict in verdicts.items() if verdict in OUTCOMES}
    of_the_paper = {claim["id"] for claim in claims if claim["family"] != BEYOND}
    parts = (("all claims", scored),
             ("claims of the paper", {claim: verdict for claim, verdict in scored.items() if claim in of_the_paper}),
             ("claims for which a rival predicts an outcome",
              {claim: verdict for claim, verdict in scored.items() if predicted[claim]["rivals"] != NO_PREDICTION}))
    lines = [f"- {name}, {len(part)}: {means(predicted, part)}\n" for name, part in parts if part]
    return "\nMean Brier scores, lower is better:\n\n" + "".join(lines) if lines else ""


def table(claims, prediction, verdicts):
    predicted = prediction["claims"]
    text = "| claim | " + " | ".join(FORECASTERS.values()) + " | measured |\n|---|---|---|---|---|\n"
    for claim in claims:
        if claim["id"] in predicted:
            cells = [" / ".join(f"{number:.2f}" for number in predicted[claim["id"]][key]) for key in FORECASTERS]
            text += f"| `{claim['id']}` | " + " | ".join(cells) + f" | {verdicts.get(claim['id'], '')} |\n"
    return text + scores_text(claims, predicted, verdicts)


def tables(claims, predictions, runs):
    """`claims`: of docs_tables.read_claims, which gives the order; `runs`: of results_tables.read_runs."""
    return "\n".join(f"## Predicted for {model}, probabilities of pass / fail / inconclusive\n\n"
                     + table(claims, prediction, verdicts_of(prediction, runs)) for model, prediction in predictions.items())
