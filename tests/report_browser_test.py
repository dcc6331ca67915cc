"""The HTML report in a real browser: its script runs under its own policy, links lead somewhere, the layer slider shows the
record's numbers, the first screen holds the answer at three widths, and it prints.

    python3 -B tests/report_browser_test.py PROGRAM    PROGRAM: build/release/replicate; needs chromium
"""

import base64
import html
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


# Written into a copy of the page: where things are once it is laid out, for the page around it.
PROBE = """<script>addEventListener('load', () => {
  const boxes = name => [...document.querySelectorAll(name)].filter(e => e.checkVisibility()).map(e => e.getBoundingClientRect())
    .map(r => [r.left, r.top, r.right, r.bottom].map(Math.round));
  const found = {page: [document.documentElement.scrollWidth, document.documentElement.scrollHeight]};
  for (const name of ['h1', '.lead', '.facts', '.steps li', '.board', '.board tbody tr', 'nav a', 'nav summary', '.table thead'])
    found[name] = boxes(name);
  parent.postMessage([innerWidth, found], '*');
})</script>"""
# Points at layer 14 of sink_onset's first panel, then goes one step to the right by keyboard, then to the chain's first link.
POINTING = """<script>addEventListener('load', () => {
  const say = name => {
    const readout = document.querySelector('.readout');
    const rows = [...readout.querySelectorAll('tr')].map(row => [...row.cells].map(cell => cell.textContent));
    said[name] = readout.hidden ? null : [readout.querySelector('strong').textContent, ...rows];
  };
  const point = (panel, dx, dy) => {
    const r = panel.getBoundingClientRect();
    panel.dispatchEvent(new PointerEvent('pointermove', {clientX: r.left + dx * r.width, clientY: r.top + dy * r.height, bubbles: true}));
  };
  const said = {}, panel = document.querySelector('#sink_onset svg[data-plots]'), box = panel.viewBox.baseVal;
  const {ends: [low, high], area: [left, top, width, height]} = JSON.parse(panel.dataset.plots)[0];
  point(panel, (left + (14 - low) / (high - low) * width - box.x) / box.width, (top + height / 2 - box.y) / box.height);
  say('layer 14');
  panel.dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowRight'}));
  say('one further');
  point(panel, 0.01, 0.01);
  say('outside');
  const chain = document.querySelector('#chain svg[data-plots]'), first = JSON.parse(chain.dataset.plots)[0].area;
  point(chain, (first[0] + first[2]) / chain.viewBox.baseVal.width, (first[1] + 1) / chain.viewBox.baseVal.height);
  say('chain');
  const out = document.body.appendChild(document.createElement('pre'));
  out.id = 'said';
  out.textContent = JSON.stringify(said);
})</script>"""
# Chooses the second text, layer 3 and head 2 of a claim's attention maps, and points at a cell of each map.
CHOOSING = """<script>addEventListener('load', () => {
  const box = document.querySelector('.chooser'), said = {};
  const say = name => { said[name] = [...box.querySelectorAll('.heads svg')].map(map => {
    const cell = map.querySelectorAll('rect')[4], readout = document.querySelector('.readout');
    cell.dispatchEvent(new PointerEvent('pointermove', {clientX: 300, clientY: 300, bubbles: true}));
    return [map.querySelector('.title').textContent, map.querySelectorAll('rect').length, readout.hidden ? '' : readout.textContent,
      cell.getAttribute('fill'), [...map.querySelectorAll('text')].slice(1, 4).map(word => word.textContent)];
  }); };
  const choose = (index, value) => {
    const input = box.querySelectorAll('select, input')[index];
    input.value = value;
    input.dispatchEvent(new Event('input'));
  };
  say('at first');
  choose(0, 1); choose(1, 3); choose(2, 2);
  say('chosen');
  const out = document.body.appendChild(document.createElement('pre'));
  out.id = 'said';
  out.textContent = JSON.stringify(said);
})</script>"""
SIZES = ((320, 844), (390, 844), (700, 900), (1000, 900), (1400, 900))
FRAMES = """<!DOCTYPE html><meta charset="utf-8"><body>{}<pre></pre><script>
const found = {{}};
addEventListener('message', event => {{
  found[event.data[0]] = event.data[1];
  document.querySelector('pre').textContent = JSON.stringify(found);
}})</script>"""


def with_script(run, name, script):
    """A copy of the run's page in which a script of the test's own runs too."""
    page = (run / "report.html").read_text()
    page = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page)
    page = re.sub(r'<svg class="drawing" aria-hidden="true"><defs>.*?</defs></svg>', "", page, flags=re.DOTALL)  # heavy, and takes no place
    (run / name).write_text(page.replace("</body>", script + "</body>"))
    return (run / name).as_uri()


def attention_maps(layers, heads, n):
    """attention.json of two passes and two texts, in which every byte is its place modulo 251."""
    count = 2 * 2 * layers * heads * n * (n + 1) // 2
    texts = [[f"{word}{at}" for at in range(n)] for word in (" first", "<b>\n")]
    shares = base64.b64encode(bytes(at % 251 for at in range(count))).decode()
    return {"layers": layers, "heads": heads, "first_layer": 2, "passes": ["untouched", "masked"], "texts": texts, "shares": shares}


def laid_out(run):
    """Places in pixels by the width of the window, then by selector: [left, top, right, bottom] of what can be seen."""
    with_script(run, "probe.html", PROBE)
    frames = "".join(f'<iframe src="probe.html" width="{width}" height="{height}" style="border: 0"></iframe>' for width, height in SIZES)
    (run / "frames.html").write_text(FRAMES.format(frames))
    dom, _ = browse((run / "frames.html").as_uri(), "--dump-dom", "--window-size=1600,1000")
    return {int(width): places for width, places in json.loads(re.search(r"<pre>(.*?)</pre>", dom, re.DOTALL)[1]).items()}


class ReportInABrowser(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        run = pathlib.Path(cls.folder.name) / "run"
        shutil.copytree(RECORDED, run)
        (run / "mask_induced_sink" / "attention.json").write_text(json.dumps(attention_maps(3, 2, 4)))
        subprocess.run([PROGRAM, "report", str(run)], check=True, capture_output=True)
        cls.run_folder, cls.address = run, (run / "report.html").as_uri()
        cls.dom, cls.complaints = browse(cls.address, "--dump-dom")
        cls.page = Page(cls.dom)
        cls.places = laid_out(run)

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
        moved = Page(browse(f"{self.address}#layer=14", "--dump-dom")[0])
        self.assertEqual(moved.shown, "14")
        seen = set()
        for page in (self.page, moved):
            value = float(page.value("sink_onset", panel["title"]).split()[0])
            self.assertAlmostEqual(value, series["y"][int(page.shown) - 1], delta=0.01)
            seen.add(value)
        self.assertEqual(len(seen), 2)

    def test_a_pointer_and_the_arrow_keys_show_the_records_numbers(self):
        dom, complaints = browse(with_script(self.run_folder, "pointing.html", POINTING), "--dump-dom", "--window-size=1400,900")
        self.assertEqual(complaints, [])
        said = json.loads(html.unescape(re.search(r'<pre id="said">(.*?)</pre>', dom, re.DOTALL)[1]))
        record = json.loads((self.run_folder / "sink_onset" / "record.json").read_text())
        curve = record["panels"][0]["curves"][0]
        series = next(s for s in record["series"] if s["name"] == curve["series"])
        for name, layer in (("layer 14", 14), ("one further", 15)):
            title, row, *_ = said[name]
            self.assertEqual((title, row[1]), (f"layer {layer}", curve["label"]))
            numbers = [float(number) for number in re.findall(r"[-+.e0-9]+", row[2] + " " + row[3])]
            for number, known in zip(numbers, (series[key][layer - 1] for key in ("y", "low", "high")), strict=True):
                self.assertAlmostEqual(number, known, delta=1e-4 * abs(known))
        self.assertIsNone(said["outside"])
        self.assertEqual(said["chain"][0], f"layer {record['model']['layers']}")

    def test_a_reader_chooses_layer_head_and_text_of_attention_maps(self):
        page = self.run_folder / "mask_induced_sink"
        dom, complaints = browse(with_script(page, "choosing.html", CHOOSING), "--dump-dom", "--window-size=1400,900")
        self.assertEqual(complaints, [])
        said = json.loads(html.unescape(re.search(r'<pre id="said">(.*?)</pre>', dom, re.DOTALL)[1]))
        for name, (text, layer, head, words) in (
            ("at first", (0, 2, 1, ["·first0", "·first0", "·first1"])),
            ("chosen", (1, 3, 2, ["<b>⏎0", "<b>⏎0", "<b>⏎1"])),
        ):
            for at, (title, cells, readout, fill, labels) in enumerate(said[name]):
                byte = ((((at * 2 + text) * 3 + layer - 1) * 2 + head - 1) * 10 + 4) % 251
                self.assertEqual(title, f"Layer {layer}, head {head}, {('untouched', 'masked')[at]}")
                self.assertEqual((cells, labels), (10, words))
                self.assertTrue(readout.startswith(f"{byte / 255:.2f}from 2 "), readout)
                self.assertTrue(readout.endswith(words[2]), readout)
                self.assertRegex(fill, r"^rgb\(\d+ \d+ \d+\)$")

    def test_every_claim_has_a_page_of_its_own(self):
        with_maps = self.run_folder / "mask_induced_sink" / "record.json"
        for record in [with_maps, *sorted(self.run_folder.glob("*/record.json"))[:2]]:
            page = record.parent / "report.html"
            dom, complaints = browse(page.as_uri(), "--dump-dom")
            self.assertEqual(complaints, [])
            files = [link for link, _ in Page(dom).links if not re.match(r"#|https?:", link)]
            self.assertEqual([file for file in files if not (page.parent / file).exists()], [])

    def test_the_first_screen_of_a_phone_has_the_answer(self):
        places = self.places[390]
        for name, count in (("h1", 1), (".lead", 1), (".facts", 2), (".steps li", 8)):
            self.assertEqual(len(places[name]), count, name)
            self.assertLessEqual(max(box[3] for box in places[name]), 844, name)
        self.assertEqual(places["nav a"], [], "a menu that is closed")
        self.assertLess(places["nav summary"][0][3], 80)
        self.assertEqual([box for box in places[".table thead"] if box[2] > 0], [], "heads of tables do not show through")

    def test_the_first_screen_of_a_desk_has_every_claim(self):
        places = self.places[1400]
        self.assertEqual(len(places[".board tbody tr"]), 28)
        self.assertLessEqual(max(box[3] for box in places[".board tbody tr"]), 900)
        self.assertGreater(len(places["nav a"]), 20)
        self.assertLessEqual(max(box[2] for box in places["nav a"]), min(box[0] for box in places[".board"]))

    def test_nothing_is_cut_at_any_width(self):
        self.assertEqual(sorted(self.places), [width for width, _ in SIZES])
        for width, places in self.places.items():
            self.assertLessEqual(places["page"][0], width)
            self.assertLess(max(bottom - top for _, top, _, bottom in places[".board tbody tr"]), 60, f"lines of the board at {width}")
            for name in (".board tbody tr", ".steps li", ".lead"):
                self.assertLessEqual(max(box[2] for box in places[name]), width, f"{name} at {width}")

    def test_it_prints_on_few_pages(self):
        pdf = self.run_folder / "report.pdf"
        browse(self.address, f"--print-to-pdf={pdf}", "--no-pdf-header-footer")
        pages = len(re.findall(rb"/Type\s*/Page\b", pdf.read_bytes()))
        self.assertLessEqual(pages, 25)
        self.assertGreater(pages, 8)


if __name__ == "__main__":
    PROGRAM = sys.argv.pop(1)
    BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if not BROWSER:
        sys.exit("no chromium (PATH): scripts/setup --browser installs it")
    unittest.main(verbosity=0)
