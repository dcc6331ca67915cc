"""docs/why_did_this_fail.md knows every claim that was recorded, and names only metrics and series that the recorded runs have;
the README shows the race as it was recorded."""

import json
import os
import re
import subprocess
import sys
import unittest

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
ROW = re.compile(r"^\| `(?P<claim>\w+)`[^|]*\|[^|]*\|(?P<look>[^|]*)\|$", re.MULTILINE)


def read(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as file:
        return file.read()


RUNS = os.path.join(ROOT, "results", "reference")


def recorded_claims():
    return {claim for run in os.listdir(RUNS) for claim in os.listdir(os.path.join(RUNS, run))
            if os.path.exists(os.path.join(RUNS, run, claim, "record.json"))}


def judged(claim):
    """Names of the metrics that the claim is judged by, on the models of the tests."""
    files = ("claims.json", "training_claims.json")
    names = [name.split("/") for file in files for name in json.loads(read("tests", "golden", file))]
    return {metric for _, judged_claim, metric in names if judged_claim == claim}


def measured(claim):
    """Names of the metrics and series of a claim in the kept runs, and of those that it is judged by."""
    names = judged(claim)
    for run in os.listdir(RUNS):
        path = os.path.join(RUNS, run, claim, "record.json")
        if os.path.exists(path):
            record = json.loads(read(path))
            names |= {item["name"] for item in record["metrics"] + record["series"]}
    return names


class WhyDidThisFail(unittest.TestCase):
    def setUp(self):
        self.rows = dict(ROW.findall(read("docs", "why_did_this_fail.md")))
        self.claims = {name[: -len(".yaml")] for name in os.listdir(os.path.join(ROOT, "configs", "claims"))}

    def test_it_has_a_row_for_every_recorded_claim(self):
        self.assertLessEqual(recorded_claims() & self.claims, set(self.rows))  # a record may be of a former claim
        self.assertLessEqual(set(self.rows), self.claims)

    def test_it_names_what_is_measured(self):
        for claim, look in self.rows.items():
            known = measured(claim) | self.claims
            words = re.findall(r"`([^`]+)`", look)
            self.assertTrue(words, claim)
            self.assertEqual([word for word in words if word not in known], [], claim)


class Speed(unittest.TestCase):
    def test_the_table_is_the_recorded_one(self):
        table = subprocess.run([sys.executable, "-B", os.path.join(ROOT, "tests", "bench", "race.py"), "--table",
                                os.path.join(ROOT, "results", "bench", "race.json")], capture_output=True, text=True, check=True)
        self.assertIn(table.stdout.strip(), read("README.md"))


if __name__ == "__main__":
    unittest.main()
