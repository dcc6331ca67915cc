"""scripts/register.py registers what is there and refuses what changed in silence. Where configs/registered.yaml exists, every claim
is in it with its golden values; tests/harness/record/registration_test.cpp holds the definitions against it."""

import json
import pathlib
import sys
import unittest

ROOT = pathlib.Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "scripts"))
import register  # noqa: E402

DEFINITIONS = "alpha: {version: 2, definition: aa}\nbeta: {version: 1, definition: bb}\n"
GOLDEN = {"planted/alpha/effect": {"value": 1.5}, "fresh/alpha/effect": {"value": 0.5}, "planted/beta/effect": {"value": 2}}
CHANGES = "# Changes\n\n## alpha\n\nIt was wrong.\n\nVersion 3: it is right.\n\n## beta\n\nNew.\n"


def now(definitions=DEFINITIONS, golden=None):
    return register.present(register.entries(definitions), register.golden_hashes([json.dumps(golden or GOLDEN)]))


class Registration(unittest.TestCase):
    def setUp(self):
        text = register.registered({}, now(), ["tiny"], "2026-01-01")
        self.before = register.entries(text)
        self.assertIn("known_models: [tiny]\nclaims:\n  alpha: {version: 2, date: 2026-01-01, definition: aa, golden: ", text)

    def refused(self, after, changes=CHANGES):
        return "\n".join(register.refusals(self.before, after, changes))

    def test_the_first_time_everything_is_registered(self):
        self.assertEqual(list(register.refusals({}, now(), "")), [])

    def test_what_did_not_change_keeps_its_date(self):
        self.assertEqual(self.refused(now()), "")
        changed = now(DEFINITIONS.replace("version: 2, definition: aa", "version: 3, definition: cc"))
        self.assertEqual(self.refused(changed), "")
        after = register.entries(register.registered(self.before, changed, [], "2026-02-02"))
        self.assertEqual(after["alpha"]["date"], "2026-02-02")
        self.assertEqual(after["alpha"]["definition"], "cc")
        self.assertEqual(after["beta"], self.before["beta"])

    def test_a_change_needs_a_higher_version(self):
        self.assertIn("alpha: its definition changed since version 2", self.refused(now(DEFINITIONS.replace("aa", "cc"))))
        lower = DEFINITIONS.replace("version: 2, definition: aa", "version: 1, definition: cc")
        self.assertIn("give it a higher version", self.refused(now(lower)))
        for name in list(GOLDEN)[:2]:
            self.assertIn("alpha: its golden values changed", self.refused(now(golden=GOLDEN | {name: {"value": 9}})))
        self.assertIn("golden values changed", self.refused(now(golden={"planted/beta/effect": {"value": 2}})))

    def test_a_change_needs_a_reason(self):
        changed = now(DEFINITIONS.replace("version: 2, definition: aa", "version: 3, definition: cc"))
        for changes in (CHANGES.replace("Version 3", "Version 4"), CHANGES.replace("## alpha", "## gamma"),
                        CHANGES.replace("Version 3: it is right.\n", "") + "\nVersion 3: of beta.\n"):
            self.assertIn('add "Version 3: ..." to its section', self.refused(changed, changes))

    def test_a_new_claim_needs_an_entry(self):
        more = now(DEFINITIONS + "gamma: {version: 1, definition: dd}\n")
        self.assertIn("gamma: docs/changes_to_claims.md", self.refused(more))
        self.assertEqual(self.refused(more, CHANGES + "\n## gamma\n\nVersion 1: new.\n"), "")

    def test_models_with_a_shape_are_known(self):
        self.assertEqual(register.known_models(ROOT / "configs" / "models"), ["gemma3-270m", "smollm2", "smollm2-null"])


def stale(text, claims, golden):
    """One line for each claim that does not stand in the file's text with its golden values."""
    registered = register.entries(text)
    for claim in sorted(claims):
        if claim not in registered:
            yield f"{claim} is not registered"
        elif registered[claim]["golden"] != golden.get(claim, "none"):
            yield f"{claim}: its golden values are not the registered ones"


REMEDY = "give it a higher version where it changed, then run ./replicate validate --definitions | scripts/register.py"


class RegisteredClaims(unittest.TestCase):
    def test_have_their_golden_values(self):
        if not register.TARGET.exists():
            self.skipTest("no definition is registered")
        claims = {file.stem for file in (ROOT / "configs" / "claims").glob("*.yaml")}
        golden = register.golden_hashes(file.read_text() for file in register.GOLDEN)
        self.assertEqual(list(stale(register.TARGET.read_text(), claims, golden)), [], REMEDY)

    def test_is_red_where_they_have_not(self):
        text = register.registered({}, now(), [], "2026-01-01")
        golden = {claim: own["golden"] for claim, own in now().items()}
        self.assertEqual(list(stale(text, {"alpha", "beta"}, golden)), [])
        self.assertEqual(list(stale(text, {"alpha", "beta", "gamma"}, golden)), ["gamma is not registered"])
        self.assertEqual(list(stale(text, {"alpha"}, {"alpha": "00"})), ["alpha: its golden values are not the registered ones"])


if __name__ == "__main__":
    unittest.main()
