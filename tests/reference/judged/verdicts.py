"""From samples.csv to the p values of a record: the test of a mean, once more."""

from pathlib import Path

import numpy as np
import yaml

from .numbers import p_above

CONFIGS = Path(__file__).resolve().parents[3] / "configs"


def samples_of(claim, metric, spike):
    where = "" if spike is None else f"spike={spike}"
    values = claim.samples.get((metric, where))
    return None if values is None else np.array(values)


def p_of_criterion(values, op, threshold):
    return p_above(values, threshold) if op in (">", ">=") else p_above(-values, -threshold)


def p_of_control(control, effect, how):
    """That the control is below its fraction of the effect, unit by unit; two-sided: in both signs."""
    sign = 1 if how["op"] == ">" else -1
    below = lambda c: p_above(how.get("fraction", 0.2) * effect - sign * c, 0)
    return max(below(control), below(-control)) if how.get("two_sided") else below(control)


def p_values(claim, stage, spike):
    """(name, p of the record, p from the samples) of what is a test of a mean"""
    definition = yaml.safe_load((CONFIGS / "claims" / f"{claim.id}.yaml").read_text())
    level = yaml.safe_load((CONFIGS / "judging.yaml").read_text())["levels"][definition["family"]]
    for finding in stage["criteria"]:
        values = samples_of(claim, finding["metric"], spike)
        if values is None or finding["p"] is None or 2.0 ** -len(values) > level:
            continue  # too few units for the level are not tested
        yield finding["metric"], finding["p"], p_of_criterion(values, finding["op"], finding["threshold"])
    settings = {control["metric"]: control for control in definition.get("controls") or []}
    for finding in stage["controls"]:
        control, effect = (samples_of(claim, finding[key], spike) for key in ("metric", "of"))
        if control is None or effect is None or finding["p"] is None:
            continue
        if len(control) == len(effect):  # other units than the effect's: Welch's test, not here
            yield finding["metric"], finding["p"], p_of_control(control, effect, settings[finding["metric"]])


def check(claim):
    """Prints what differs. -> how many were compared, how many differ"""
    compared = differ = 0
    for stage in claim.record["stages"] or [claim.record]:
        for name, recorded, own in p_values(claim, stage, stage.get("spike")):
            compared += 1
            if abs(recorded - own) > 1e-6 * own + 1e-12:
                differ += 1
                print(f"{claim.id:<27} p of {name}, spike {stage.get('spike')}: {recorded:.6g}, own {own:.6g}  DIFFERS")
    print(f"{claim.id:<27} {compared} p values from samples.csv, {differ} differ")
    return compared, differ
