"""configs/registered.yaml says what the runs in results/reference say."""

import pathlib
import sys
import unittest

ROOT = pathlib.Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "scripts"))
import register  # noqa: E402


class Registered(unittest.TestCase):
    def test_is_what_the_recorded_runs_say(self):
        text = register.registered((ROOT / "results" / "reference").glob("*"))
        self.assertEqual(register.TARGET.read_text(), text, "run scripts/register.py results/reference/* and commit the result")
        self.assertGreater(text.count("thresholds_sha256"), 30)


if __name__ == "__main__":
    unittest.main()
