"""The HTML report in a real browser: its script runs under its own policy, links lead somewhere, the layer slider shows the
record's numbers, and it prints.

    python3 -B tests/report_browser_test.py PROGRAM    PROGRAM: build/release/replicate; needs chromium
"""

import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from html.parser import HTMLParser

ROOT = pathlib.Path(__file__).parent.parent
RECORDED = ROOT / "results" / "reference" / "cpu-smollm2"
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--enable-logging=stderr", "--virtual-time-budget=4000"]


class Page(HTMLParser):
    """What the browser made of the page: ids, links, and the layer table as text."""

    def __init__(self, dom):
        super().__init__()
        self.ids, self.links, self.layers, self.shown, self.slider_hidden = set(), [], [], "", True
        self.path = []
        self.feed(dom)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.path.append((tag, attributes.get("class") or ""))
        if "id" in attributes:
            self.ids.add(attributes["id"])
        if tag == "a":
            self.links.append((attributes.get("href", ""), any(name == "nav" for name, _ in self.path)))
        if tag == "label" and self.inside("layers"):
            self.slider_hidden = "hidden" in attributes
        if tag == "tr" and self.inside("layers"):
            self.layers.append([])
        if tag == "td" and self.inside("layers"):
            self.layers[-1].append("")

    def handle_endtag(self, tag):
        while self.path and self.path.pop()[0] != tag:
            pass

    def handle_data(self, data):
        if any(tag == "output" for tag, _ in self.path):
            self.shown += data
        if any(tag == "td" for tag, _ in self.path) and self.inside("layers"):
            self.layers[-1][-1] += data

    def inside(self, name):
        return any(name == classes for _, classes in self.path)

    def value(self, claim, panel):
        return next(row[-1] for row in self.layers if len(row) == 3 and row[0] == claim and row[1].startswith(panel))


def browse(address, *flags):
    with tempfile.TemporaryDirectory() as profile:
        done = subprocess.run([BROWSER, *FLAGS, f"--user-data-dir={profile}", *flags, address], capture_output=True, text=True, timeout=300)
    complaints = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return done.stdout, complaints


class ReportInABrowser(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        run = pathlib.Path(cls.folder.name) / "run"
        shutil.copytree(RECORDED, run)
        subprocess.run([PROGRAM, "report", str(run)], check=True, capture_output=True)
        cls.run_folder, cls.address = run, (run / "report.html").as_uri()
        cls.dom, cls.complaints = browse(cls.address, "--dump-dom")
        cls.page = Page(cls.dom)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def test_nothing_is_refused_or_fails(self):
        self.assertEqual(self.complaints, [])

    def test_links_of_the_page_find_their_targets(self):
        inner = [link[1:] for link, _ in self.page.links if link.startswith("#")]
        self.assertGreater(sum(in_nav for _, in_nav in self.page.links), 20)
        self.assertEqual([link for link in inner if link not in self.page.ids], [])

    def test_links_to_files_find_them(self):
        files = [link for link, _ in self.page.links if not re.match(r"#|https?:", link)]
        self.assertEqual([file for file in files if not (self.run_folder / file).exists()], [])

    def test_the_slider_shows_the_numbers_of_its_layer(self):
        self.assertFalse(self.page.slider_hidden)
        record = json.loads((self.run_folder / "sink_onset" / "record.json").read_text())
        panel = record["panels"][0]
        series = next(s for s in record["series"] if s["name"] == panel["curves"][0]["series"])
        seen = set()
        for layer in (2, 14):
            page = Page(browse(f"{self.address}#layer={layer}", "--dump-dom")[0])
            self.assertEqual(page.shown, str(layer))
            value = float(page.value("sink_onset", panel["title"]).split()[0])
            self.assertAlmostEqual(value, series["y"][layer - 1], delta=0.01)
            seen.add(value)
        self.assertEqual(len(seen), 2)

    def test_every_claim_has_a_page_of_its_own(self):
        for record in sorted(self.run_folder.glob("*/record.json"))[:2]:
            page = record.parent / "report.html"
            dom, complaints = browse(page.as_uri(), "--dump-dom")
            self.assertEqual(complaints, [])
            files = [link for link, _ in Page(dom).links if not re.match(r"#|https?:", link)]
            self.assertEqual([file for file in files if not (page.parent / file).exists()], [])

    def test_it_prints(self):
        pdf = self.run_folder / "report.pdf"
        browse(self.address, f"--print-to-pdf={pdf}", "--no-pdf-header-footer")
        pages = len(re.findall(rb"/Type\s*/Page\b", pdf.read_bytes()))
        self.assertGreater(pages, 21)  # every claim begins a page


if __name__ == "__main__":
    PROGRAM = sys.argv.pop(1)
    BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if not BROWSER:
        sys.exit("no chromium (PATH): scripts/setup --browser installs it")
    unittest.main(verbosity=0)
