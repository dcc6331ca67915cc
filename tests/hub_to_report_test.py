"""A model by its Hugging Face name, from a hub on this machine to a report, and again with the hub gone.

    python3 -B tests/hub_to_report_test.py PROGRAM    PROGRAM: build/release/replicate; needs what tests/hub_test.py needs
"""

import json
import os
import pathlib
import subprocess
import sys
import unittest

import hub_test
from hub_test import ASSETS, COMMIT, ROOT, SERVER, Repository, runs_for, setUpModule, tearDownModule  # noqa: F401

BRIEF = ("steps=6", "warmup=1", "decay=2", "rate_steps=4", "validation.every=3", "validation.sequences=8", "checkpoint_seconds=0")


class FromTheHubToAReport(hub_test.WithHub):
    def program(self, *arguments, **environment):
        return subprocess.run([PROGRAM, *arguments], env={**os.environ, **environment}, capture_output=True, text=True, check=False)

    def trained(self):
        """The files of a model that is trained here, as a repository has them."""
        settings = [word for setting in BRIEF for word in ("--set", f"training.{setting}")]
        out = self.folder / "training"
        done = self.program("train", "--profile", "smoke", *settings, "--out", str(out), REPLICATE_ASSETS=str(ASSETS))
        self.assertEqual(done.returncode, 0, done.stderr)
        model = out / "step-000006"
        files = {name: (model / name).read_bytes() for name in ("config.json", "model.safetensors")}
        tokenizer = json.loads(next((ASSETS / "tokenizers").glob("*/tokenizer.json")).read_text())
        rows = json.loads(files["config.json"])["vocab_size"]
        return files, tokenizer, rows

    def measured(self, out, model):
        done = self.program("--only", "sink_onset", "--profile", "smoke", "--model", model, "--tokens", str(self.ids), "--out", str(out),
                            REPLICATE_ASSETS=str(self.assets))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue((out / "report.html").exists())
        return json.loads((out / "sink_onset" / "record.json").read_text())

    def test_a_name_is_fetched_measured_and_measured_again_without_the_hub(self):
        files, tokenizer, rows = self.trained()
        # A training run uses a beginning of its tokenizer; that of a published model has no more tokens than it has rows.
        vocabulary = tokenizer["model"]["vocab"]
        tokenizer["model"]["vocab"] = {text: at for text, at in vocabulary.items() if at < rows}
        kept = tokenizer["model"]["vocab"]
        pairs = [merge if isinstance(merge, list) else merge.split(" ") for merge in tokenizer["model"]["merges"]]
        tokenizer["model"]["merges"] = [list(pair) for pair in pairs if all(part in kept for part in (*pair, "".join(pair)))]
        tokenizer["added_tokens"] = [token for token in tokenizer["added_tokens"] if token["id"] < rows]
        files["tokenizer.json"] = json.dumps(tokenizer).encode()
        SERVER.repositories["org/trained"] = Repository(files)
        self.ids = self.folder / "ids.jsonl"
        self.ids.write_text("".join(json.dumps([(7 * row + 3 * column) % min(rows, 250) for column in range(24)]) + "\n" for row in range(24)))

        refused = self.program("--only", "sink_onset", "--model", "org/trained", "--out", str(self.folder / "none"), REPLICATE_ASSETS=str(self.assets))
        self.assertEqual(refused.returncode, 2)
        self.assertIn("scripts/setup --model org/trained", refused.stderr)

        setup = subprocess.run([ROOT / "scripts" / "setup", "--yes", "--model", "org/trained", "--assets-only"], capture_output=True, text=True,
                               env={**os.environ, **runs_for(self.folder), "REPLICATE_ASSETS": str(self.assets_with_the_rest())}, check=False)
        self.assertEqual(setup.returncode, 0, setup.stderr)
        first = self.measured(self.folder / "first", "org/trained")
        self.assertEqual(first["model"]["name"], "trained")
        self.assertEqual(first["model"]["hub"], f"org/trained@{COMMIT}")
        self.assertIn(f"org/trained@{COMMIT}", (self.folder / "first" / "report.html").read_text())
        self.assertIn(COMMIT, (self.folder / "first" / "config.yaml").read_text())

        SERVER.repositories.clear()
        asked = len(SERVER.requests)
        second = self.measured(self.folder / "second", f"org/trained@{COMMIT[:8]}")
        self.assertEqual(len(SERVER.requests), asked, "nothing is asked of the hub")
        self.assertEqual(second["model"], first["model"])
        self.assertEqual(second["metrics"], first["metrics"])

    def assets_with_the_rest(self):
        """Set-up looks for LibTorch and the others, too: they are there already."""
        for entry in pathlib.Path(ASSETS).iterdir():
            if not (self.assets / entry.name).exists() and entry.name != "hub":
                (self.assets / entry.name).symlink_to(entry)
        return self.assets


if __name__ == "__main__":
    PROGRAM = str(pathlib.Path(sys.argv.pop(1)).resolve())
    unittest.main(verbosity=0)
