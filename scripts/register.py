#!/usr/bin/env python3
"""Registers the claims' definitions: writes configs/registered.yaml.

    ./replicate validate --definitions | scripts/register.py

A claim that is as it was registered keeps its date. One whose definition or values on the tests' models changed needs a higher
`version` in its YAML, and in its section of docs/changes_to_claims.md a paragraph that begins with "Version N:" and says what
changed and why. Known models are those of configs/models that have a `shape`: their numbers were measured here.
"""

import datetime
import hashlib
import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).parent.parent
TARGET = ROOT / "configs" / "registered.yaml"
CHANGES = ROOT / "docs" / "changes_to_claims.md"
GOLDEN = [ROOT / "tests" / "golden" / name for name in ("claims.json", "training_claims.json")]
HEAD = """# The registered definitions, written by scripts/register.py. definition: hash of all that decides the claim's verdict. golden: hash of
# its values on the tests' models. known_models: numbers of these were known, so verdicts on their shapes are calibrated.
"""


def entries(text):
    """Of lines such as `sink_onset: {version: 2, definition: 0a1b}`: {claim: {"version": "2", "definition": "0a1b"}}."""
    lines = re.findall(r"^ *(\w+): \{(.*)\}$", text, re.MULTILINE)
    return {claim: dict(item.split(": ", 1) for item in items.split(", ")) for claim, items in lines}


def golden_hashes(texts):
    """By claim, of its entries in the golden files: their names are MODEL/CLAIM/METRIC."""
    values = {}
    for text in texts:
        for name, value in json.loads(text).items():
            values.setdefault(name.split("/")[1], {})[name] = value
    canonical = {claim: json.dumps(own, sort_keys=True, separators=(",", ":")) for claim, own in values.items()}
    return {claim: hashlib.sha256(text.encode()).hexdigest() for claim, text in canonical.items()}


def present(definitions, golden):
    """What would be registered, without dates."""
    return {claim: own | {"golden": golden.get(claim, "none")} for claim, own in sorted(definitions.items())}


def section(changes, claim):
    found = re.search(rf"^## {claim}\n(.*?)(?=^## |\Z)", changes, re.MULTILINE | re.DOTALL)
    return found[1] if found else ""


def is_same(before, now):
    return before is not None and all(before[key] == now[key] for key in now)


def refusals(before, now, changes):
    """One line for each claim that cannot be registered. Nothing is refused the first time."""
    for claim, own in now.items():
        if not before or is_same(before.get(claim), own):
            continue
        if claim in before and int(own["version"]) <= int(before[claim]["version"]):
            what = "definition" if before[claim]["definition"] != own["definition"] else "golden values"
            yield (f"{claim}: its {what} changed since version {before[claim]['version']} was registered: give it a higher version in "
                   f"configs/claims/{claim}.yaml")
        elif not re.search(rf"^Version {own['version']}:", section(changes, claim), re.MULTILINE):
            yield f"{claim}: docs/changes_to_claims.md does not say why: add \"Version {own['version']}: ...\" to its section"


def registered(before, now, models, date):
    """The file's text."""
    lines = [f"  {claim}: {{version: {own['version']}, date: {before[claim]['date'] if is_same(before.get(claim), own) else date}, "
             f"definition: {own['definition']}, golden: {own['golden']}}}\n" for claim, own in now.items()]
    return HEAD + f"known_models: [{', '.join(models)}]\nclaims:\n" + "".join(lines)


def known_models(folder):
    return sorted(file.stem for file in folder.glob("*.yaml") if re.search(r"^shape:", file.read_text(), re.MULTILINE))


def main():
    definitions = entries(sys.stdin.read())
    if not definitions:
        sys.exit(__doc__)
    before = entries(TARGET.read_text()) if TARGET.exists() else {}
    now = present(definitions, golden_hashes(file.read_text() for file in GOLDEN))
    refused = list(refusals(before, now, CHANGES.read_text()))
    if refused:
        sys.exit("\n".join(refused))
    models = known_models(ROOT / "configs" / "models")
    TARGET.write_text(registered(before, now, models, datetime.date.today().isoformat()))


if __name__ == "__main__":
    main()
