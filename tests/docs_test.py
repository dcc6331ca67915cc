"""docs/why_did_this_fail.md knows every claim that was recorded, and names only metrics and series that the recorded runs have;
docs/performance.md shows the race as it was recorded, docs/claims.md the claims as they are configured; links lead somewhere."""

import importlib.util
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path.insert(0, os.path.join(ROOT, "scripts"))
import docs_tables  # noqa: E402

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
        self.assertIn(table.stdout.strip(), read("docs", "performance.md"))


MUST_HOLD = re.compile(r"^- `(\w+)` \((\d+);", re.MULTILINE)


class Claims(unittest.TestCase):
    def setUp(self):
        self.claims = docs_tables.read_claims(pathlib.Path(ROOT, "configs", "claims"))
        self.levels = docs_tables.levels_of(read("configs", "judging.yaml"))

    def test_the_tables_are_what_the_settings_say(self):
        page = read("docs", "claims.md")
        self.assertTrue(page == docs_tables.with_tables(page, docs_tables.tables(self.claims, self.levels)), "run scripts/docs_tables.py")

    def test_every_claim_has_a_row_and_a_changed_setting_another_one(self):
        tables = docs_tables.tables(self.claims, self.levels)
        for claim in self.claims:
            self.assertEqual(tables.count(f"| [`{claim['id']}`]"), 1, claim["id"])
            for key, other in (("title", "Another title"), ("figures", ["99"]), ("family", "another"), ("version", "99"), ("arithmetic", "Always.")):
                self.assertNotEqual(docs_tables.tables([claim | {key: other}], self.levels), docs_tables.tables([claim], self.levels), key)

    def test_what_must_hold_is_said_of_every_claim_in_its_present_version(self):
        said = MUST_HOLD.findall(read("docs", "claims.md"))
        self.assertEqual(sorted(said), sorted((claim["id"], claim["version"] or "1") for claim in self.claims))

    @unittest.skipUnless(importlib.util.find_spec("yaml"), "no yaml")
    def test_the_settings_are_read_as_a_reader_of_yaml_does(self):
        import yaml  # pylint: disable=import-outside-toplevel
        for claim in self.claims:
            settings = yaml.safe_load(read("configs", "claims", claim["id"] + ".yaml"))
            for key in ("title", "kind", "family", "version", "arithmetic"):
                self.assertEqual(claim[key], str(settings.get(key, "")).strip(), (claim["id"], key))
            self.assertEqual(claim["figures"], [str(figure) for figure in settings["paper"]["figures"]], claim["id"])
        self.assertEqual(self.levels, {family: str(level) for family, level in yaml.safe_load(read("configs", "judging.yaml"))["levels"].items()})

    def test_texts_are_read_in_every_form(self):
        for text, words in (("one: two", "one: two"), ('"a | \\"b\\": c"  # d', 'a | "b": c'), ("one two  # three", "one two"),
                            (">-\n  one\n  two", "one two"), ("", "")):
            self.assertEqual(docs_tables.words(text), words)
        for text in ("[1, 2]", "{a: b}", "'one'"):
            self.assertRaises(SystemExit, docs_tables.words, text)
        self.assertRaises(SystemExit, docs_tables.with_tables, "no markers", "")


# A fence, or code within a line: what looks like a link there is none.
CODE = re.compile(r"^```.*?^```$|`[^`\n]*`", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\((?P<target>[^()\s]+)\)")


def pages():
    """Every page that is written for readers of the sources."""
    return [pathlib.Path(ROOT, "README.md"), pathlib.Path(ROOT, "CONTRIBUTING.md"), pathlib.Path(ROOT, "results", "LOG.md"),
            *sorted(pathlib.Path(ROOT, "docs").glob("*.md"))]


def anchors(text):
    """The anchors that GitHub gives to the headings."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(page):
    """Relative links of a page that lead to no file, or to no heading of it."""
    for link in LINK.finditer(CODE.sub("", page.read_text("utf-8"))):
        path, _, anchor = link["target"].partition("#")
        target = page.parent / path if path else page
        if "://" in path or path.startswith("mailto:"):
            continue
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target.read_text("utf-8"))):
            yield link["target"]


class Pages(unittest.TestCase):
    def test_relative_links_lead_somewhere(self):
        links = sum(len(LINK.findall(page.read_text("utf-8"))) for page in pages())
        self.assertGreater(links, 100)
        self.assertEqual({page.name: broken for page in pages() if (broken := list(broken_links(page)))}, {})

    def test_a_link_that_leads_nowhere_is_found(self):
        with tempfile.TemporaryDirectory() as folder:
            page = pathlib.Path(folder, "page.md")
            page.write_text("# One, two\n[a](page.md) [b](#one-two) [c](page.md#one-two) [d](https://example.org/x) `[e](code.md)`\n"
                            "```\n[f](fence.md)\n# Three\n```\n[g](none.md) ![h](none.png) [i](#three) [j](page.md#two)\n", "utf-8")
            self.assertEqual(list(broken_links(page)), ["none.md", "none.png", "#three", "page.md#two"])

    def test_the_index_has_every_page(self):
        linked = {path.partition("#")[0] for path in LINK.findall(read("docs", "index.md"))}
        self.assertLessEqual(set(os.listdir(os.path.join(ROOT, "docs"))) - {"index.md"}, linked)

    def test_what_follows_comes_after_and_not_behind(self):
        for page in (page for page in pages() if page.name not in ("CONTRIBUTING.md", "LOG.md")):
            self.assertEqual(re.findall(r".*\bbehind\b.*", page.read_text("utf-8")), [], page.name)

    def test_the_first_page_is_short(self):
        lines = read("README.md").splitlines()
        self.assertLessEqual(len(lines), 150)
        self.assertEqual([line for line in lines if len(line) > 120], [])


if __name__ == "__main__":
    unittest.main()
