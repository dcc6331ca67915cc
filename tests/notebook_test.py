"""docs/records.ipynb is a notebook without outputs, and its cells run, one after the other."""

import contextlib
import importlib.util
import io
import json
import os
import unittest
import unittest.mock

DOCS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "docs")
NEEDS = ("pandas", "matplotlib")


class Notebook(unittest.TestCase):
    def setUp(self):
        with open(os.path.join(DOCS, "records.ipynb"), encoding="utf-8") as file:
            self.notebook = json.load(file)

    def test_it_is_a_notebook_without_outputs(self):
        self.assertEqual(self.notebook["nbformat"], 4)
        ids = [cell["id"] for cell in self.notebook["cells"]]
        self.assertEqual(len(set(ids)), len(ids))
        for cell in self.notebook["cells"]:
            self.assertIn(cell["cell_type"], ("markdown", "code"))
            if cell["cell_type"] == "code":  # outputs would be those of an older record
                self.assertEqual((cell["outputs"], cell["execution_count"]), ([], None), cell["id"])

    @unittest.skipUnless(all(map(importlib.util.find_spec, NEEDS)), f"no {' or '.join(NEEDS)}")
    def test_its_cells_run(self):
        names, printed, before = {}, io.StringIO(), os.getcwd()
        self.addCleanup(os.chdir, before)
        os.chdir(DOCS)  # where Jupyter starts it
        with unittest.mock.patch.dict(os.environ, MPLBACKEND="Agg"), contextlib.redirect_stdout(printed):
            for cell in self.notebook["cells"]:
                if cell["cell_type"] == "code":
                    exec(compile("".join(cell["source"]), cell["id"], "exec"), names)  # pylint: disable=exec-used
        self.assertIn("ours:", printed.getvalue())
        self.assertGreater(len(names["checked"]), 50)


if __name__ == "__main__":
    unittest.main()
