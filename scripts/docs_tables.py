#!/usr/bin/env python3
"""Writes tables of the documentation, between two marker comments: those of docs/claims.md from configs/claims and
configs/judging.yaml, those of docs/results.md and docs/findings.md from the recorded runs, those of docs/verdicts.md from configs/calibration.yaml, and that of
docs/predictions.md from configs/predictions.yaml and the recorded runs.

    scripts/docs_tables.py            writes them
    scripts/docs_tables.py --check    writes nothing, and ends with 1 where they are not what the settings say

To be run after a claim's title, figures, family, version or `arithmetic` has changed, or a run was recorded.
"""

import pathlib
import re
import sys

import calibration_tables
import findings_tables
import prediction_tables
import results_tables

ROOT = pathlib.Path(__file__).parent.parent
BEGIN = "<!-- begin: written by scripts/docs_tables.py -->\n"
END = "<!-- end: written by scripts/docs_tables.py -->\n"
GROUPS = {
    "mechanism": "Mechanism: what is seen in the model as it is",
    "intervention": "Interventions: one thing is changed, and what follows is measured",
    "training": "Training: models that the harness trains itself, compared arm by arm and seed by seed",
}
HEAD = "| claim | figures | title | family | level | version |\n|---|---|---|---|--:|--:|\n"


# --- the few forms of YAML that these keys have, as Python has no YAML reader of its own ---


def mapping(text):
    """{key: the text of its value} of a mapping in block style."""
    found, key = {}, None
    for line in text.splitlines():
        if match := re.match(r"(\w+):(?: +(.*))?$", line):
            key = match[1]
            found[key] = [match[2] or ""]
        elif key and not line.startswith("#"):
            found[key].append(line)
    return {key: "\n".join(lines) for key, lines in found.items()}


def without_indent(text):
    return re.sub(r"^  ", "", text, flags=re.MULTILINE)


def words(value):
    """A plain, quoted or folded text, in one line."""
    first, *rest = value.splitlines() or [""]
    if first.strip() in (">", ">-"):
        return " ".join(" ".join(rest).split())
    text = " ".join(value.split())
    if quoted := re.match(r'"((?:[^"\\]|\\.)*)"', text):
        return re.sub(r"\\(.)", r"\1", quoted[1])
    if text[:1] in ("'", "|", "&", "*", "{", "["):
        sys.exit(f"docs_tables: cannot read this text: {text}")
    return re.sub(r"\s+#.*", "", text)


def numbers(value):
    """[1, 4] as a list of texts."""
    match = re.match(r"\s*\[([\d, ]*)\]", value)
    if not match:
        sys.exit(f"docs_tables: not a list of figures: {value}")
    return match[1].replace(",", " ").split()


# --- the claims ---


def claim_of(text):
    """What the tables show of a claim's YAML."""
    keys = mapping(text)
    claim = {key: words(keys[key]) for key in ("id", "title", "kind")}
    claim |= {key: words(keys.get(key, "")) for key in ("family", "version", "arithmetic")}
    claim["figures"] = numbers(mapping(without_indent(keys["paper"]))["figures"])
    return claim


def levels_of(text):
    """{family: level} of configs/judging.yaml."""
    return {family: words(level) for family, level in mapping(without_indent(mapping(text)["levels"])).items()}


def read_claims(folder):
    """In the order of the paper's figures, those without one last and by name."""
    claims = [claim_of(file.read_text("utf-8")) for file in sorted(folder.glob("*.yaml"))]
    return sorted(claims, key=lambda claim: min(map(int, claim["figures"]), default=sys.maxsize))


# --- the tables ---


def row(claim, levels):
    name = f"[`{claim['id']}`](../experiments/{claim['id']}.cpp)" + (" †" if claim["arithmetic"] else "")
    cells = (name, ", ".join(claim["figures"]) or "none", claim["title"].replace("|", r"\|"), claim["family"] or "none",
             levels.get(claim["family"], "95% interval"), claim["version"] or "1")
    return "| " + " | ".join(cells) + " |\n"


def tables(claims, levels):
    text = ""
    for kind, heading in GROUPS.items():
        text += f"### {heading}\n\n{HEAD}" + "".join(row(claim, levels) for claim in claims if claim["kind"] == kind) + "\n"
    text += "### What holds by arithmetic (†)\n\n"
    return text + "".join(f"- `{claim['id']}`: {claim['arithmetic']}\n" for claim in claims if claim["arithmetic"])


def with_tables(document, text, name="page"):
    """The document with the text in place of what is between the markers."""
    parts = re.split(f"({re.escape(BEGIN)}|{re.escape(END)})", document)
    if parts[1::2] != [BEGIN, END]:
        sys.exit(f"docs_tables: one of each marker comment is needed ({name}): {BEGIN.strip()} and {END.strip()}")
    return f"{parts[0]}{BEGIN}\n{text}\n{END}{parts[4]}"


def pages():
    """{page: the text of its tables}."""
    claims = read_claims(ROOT / "configs" / "claims")
    levels = levels_of((ROOT / "configs" / "judging.yaml").read_text("utf-8"))
    runs = results_tables.read_runs(ROOT / "results" / "reference")
    predictions = prediction_tables.read_predictions((ROOT / "configs" / "predictions.yaml").read_text("utf-8"))
    counts = calibration_tables.read_counts((ROOT / "configs" / "calibration.yaml").read_text("utf-8"))
    return {ROOT / "docs" / "claims.md": tables(claims, levels),
            ROOT / "docs" / "results.md": results_tables.tables(claims, runs, results_tables.read_robustness(ROOT / "results" / "robustness")),
            ROOT / "docs" / "findings.md": findings_tables.tables({name: runs[name] for name in results_tables.models_of(claims, runs)}),
            ROOT / "docs" / "verdicts.md": calibration_tables.tables(claims, counts),
            ROOT / "docs" / "predictions.md": prediction_tables.tables(claims, predictions, runs)}


def main(arguments):
    if arguments not in ([], ["--check"]):
        sys.exit(__doc__)
    documents = {page: with_tables(page.read_text("utf-8"), text, page.name) for page, text in pages().items()}
    for page, wanted in documents.items():
        if not arguments:
            page.write_text(wanted, "utf-8")
        elif wanted != page.read_text("utf-8"):
            sys.exit(f"docs/{page.name}: its tables are not what was registered or recorded: run scripts/docs_tables.py")


if __name__ == "__main__":
    main(sys.argv[1:])
