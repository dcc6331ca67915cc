"""configs/registered.yaml says what the runs in results/reference say."""

import json
import pathlib
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "scripts"))
import register  # noqa: E402


class Registered(unittest.TestCase):
    def test_is_what_the_recorded_runs_say(self):
        text = register.registered((ROOT / "results" / "reference").glob("*"))
        self.assertEqual(register.TARGET.read_text(), text, "run scripts/register.py results/reference/* and commit the result")
        self.assertGreater(text.count("thresholds_sha256"), 30)

    def test_leaves_out_what_is_no_claim_any_more(self):
        with tempfile.TemporaryDirectory() as run:
            for claim in ("sink_onset", "a_former_claim"):
                record = {"claim": claim, "profile": "cpu", "verdict": "pass", "thresholds_sha256": "0", "criteria": [],
                          "kind": "mechanism", "model": {"name": "small"}}
                folder = pathlib.Path(run, claim)
                folder.mkdir()
                (folder / "record.json").write_text(json.dumps(record))
            text = register.registered([run])
        self.assertIn("sink_onset: {", text)
        self.assertNotIn("a_former_claim", text)


if __name__ == "__main__":
    unittest.main()
