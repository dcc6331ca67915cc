"""Fetching a model by its Hugging Face name: the real client against a hub that this test runs on this machine.

The client is installed once, from pip's package indexes, into hub-client/ of the assets folder (REPLICATE_ASSETS).
"""

import collections
import contextlib
import errno
import hashlib
import http.server
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import unittest
import unittest.mock
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))
import assets  # noqa: E402
import fetch  # noqa: E402
import hub  # noqa: E402

ASSETS = pathlib.Path(os.environ.get("REPLICATE_ASSETS") or ROOT / ".assets").absolute()
TOKEN, SIGNATURE = "hf_a_token_that_nothing_prints", "a-signature-that-nothing-prints"
COMMIT, OLDER = "0123456789abcdef" * 2 + "01234567", "fedcba9876543210" * 2 + "fedcba98"
BLOCK = 4096  # in which a file is read, in place of a megabyte
LARGE = bytes(range(256)) * 48  # three of them
SMALL = {"config.json": b"{}", "tokenizer.json": b'{"model": {}}', "generation_config.json": b'{"a": 1}', "merges.txt": b"a b\n"}
OTHERS = {"README.md": b"#", "pytorch_model.bin": b"0" * 100, "model.gguf": b"1" * 100, "original/model.safetensors": b"2" * 100,
          "onnx/config.json": b"{}", "consolidated.safetensors": b"3" * 100}


def sharded(*names, indexed=None):
    """An index that names these files, and the files."""
    index = {"weight_map": {str(number): name for number, name in enumerate(indexed or names)}}
    return {"model.safetensors.index.json": json.dumps(index).encode(), **{name: name.encode() * 100 for name in names}}


class Repository:
    """A model on the hub: revisions are names of commits, commits are folders of files."""

    def __init__(self, files, refusal=None, token=None):
        self.commits = {COMMIT: files}
        self.revisions = {"main": COMMIT}
        self.refusal = refusal  # status and X-Error-Code for those without the token
        self.token = token

    def commit(self, revision):
        if revision in self.revisions:
            return self.revisions[revision]
        found = [commit for commit in self.commits if commit.startswith(revision)]
        return found[0] if len(revision) >= 7 and found else None


def is_large(name):
    return name.endswith(".safetensors")  # what the hub keeps in LFS


def git_blob(content):
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class Hub(http.server.BaseHTTPRequestHandler):
    """As much of the hub as its client asks for when it downloads a model."""

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.route(self.send_file)

    def do_GET(self):
        self.route(self.send_file)

    def route(self, send_file):
        path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
        self.server.requests.append((self.command, path, self.headers.get("Range"), self.headers.get("Authorization")))
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/revision/(.+)", path):
            self.answer_for(found[1], found[2], self.send_listing)
        elif found := re.fullmatch(r"/cdn/([^/]+/[^/]+)/([^/]+)/(.+)", path):
            send_file(self.server.repositories[found[1]], found[2], found[3])
        elif found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+\.safetensors)", path):
            self.answer_for(found[1], found[2], lambda repository, commit: self.redirect(repository, commit, found[1], found[3]))
        elif found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            self.answer_for(found[1], found[2], lambda repository, commit: send_file(repository, commit, found[3]))
        else:
            self.refuse(404, None)

    def answer_for(self, name, revision, send):
        repository = self.server.repositories.get(name)
        if repository is None:
            return self.refuse(404, "RepoNotFound")
        if repository.refusal and self.headers.get("Authorization") != f"Bearer {repository.token}":
            return self.refuse(*repository.refusal)
        commit = repository.commit(revision)
        return send(repository, commit) if commit else self.refuse(404, "RevisionNotFound")

    def refuse(self, status, code, message=None):
        self.send_response(status)
        for name, value in (("X-Error-Code", code), ("X-Error-Message", message), ("Content-Length", "0")):
            if value:
                self.send_header(name, value)
        self.end_headers()

    def send_listing(self, repository, commit):
        self.server.listed_with.add(urllib.parse.urlsplit(self.path).query)
        files = []
        for name, content in repository.commits[commit].items():
            file = {"rfilename": name, "size": len(content), "blobId": git_blob(content)}
            if is_large(name):
                file["lfs"] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}
            files.append(file)
        body = self.server.listing or json.dumps({"id": "o/n", "sha": commit, "siblings": files}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def redirect(self, repository, commit, repository_name, name):
        """Large files lie on another host, which must not see the token."""
        content = repository.commits[commit][name]
        self.send_response(302)
        for header, value in (("Location", f"http://localhost:{self.server.server_port}/cdn/{repository_name}/{commit}/{name}?signature={SIGNATURE}"),
                              ("X-Repo-Commit", commit), ("X-Linked-Etag", f'"{hashlib.sha256(content).hexdigest()}"'),
                              ("X-Linked-Size", str(len(content))), ("Content-Length", "0")):
            self.send_header(header, value)
        self.end_headers()

    def send_file(self, repository, commit, name):
        content = repository.commits[commit].get(name)
        if content is None:
            return self.refuse(404, "EntryNotFound")
        if self.command == "GET" and self.server.refusals:
            self.server.refusals -= 1
            return self.refuse(503, None)
        etag = hashlib.sha256(content).hexdigest() if is_large(name) else git_blob(content)
        first = int((self.headers.get("Range") or "bytes=0-")[6:].rstrip("-"))
        self.send_response(206 if first else 200)
        self.send_header("X-Repo-Commit", commit)
        self.send_header("ETag", f'"{etag}"')
        if first:
            self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - first))
        self.end_headers()
        if self.command == "GET":
            self.send_body(name, self.server.instead.get(name, content)[first:])
        return None

    def send_body(self, name, body):
        if is_large(name) and self.server.break_after is not None:
            body, self.close_connection = body[: self.server.break_after], True
        self.server.sent[name] += len(body)
        with contextlib.suppress(OSError):
            self.wfile.write(body)


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128  # a connection that finds a full queue is tried again a second later


SERVER = Server(("127.0.0.1", 0), Hub)
ENDPOINT = f"http://127.0.0.1:{SERVER.server_port}"
PATCHES = [unittest.mock.patch.dict(os.environ, {"HF_ENDPOINT": ENDPOINT}), unittest.mock.patch("hub.BLOCK", BLOCK)]


def setUpModule():
    for name in [name for name in os.environ if name.startswith(("HF_", "HUGGING")) and name != "HF_ENDPOINT"] + ["TRANSFORMERS_OFFLINE"]:
        os.environ.pop(name, None)
    for patch in PATCHES:
        patch.start()
    try:
        ASSETS.mkdir(parents=True, exist_ok=True)
        hub.load_client(str(ASSETS))
    except (fetch.Failure, OSError) as fault:
        if os.environ.get("CI"):
            raise
        fetch.say(f"test of the model hub's client: skipped (no huggingface_hub: {fault})")
        raise unittest.SkipTest(str(fault)) from fault
    threading.Thread(target=SERVER.serve_forever, args=(0.01,), daemon=True).start()


def tearDownModule():
    for patch in PATCHES:
        patch.stop()
    SERVER.shutdown()
    SERVER.server_close()


def runs_for(folder, **environment):
    """What a process gets to see: a home of its own, so that no cache or token of the reader's is used."""
    return {"HOME": str(folder), "XDG_CACHE_HOME": "", "HF_ENDPOINT": ENDPOINT, **environment}


class Stream(io.StringIO):
    """What standard input and standard error are: a terminal or not."""

    def __init__(self, text="", terminal=False):
        super().__init__(text)
        self.isatty = lambda: terminal


class WithHub(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(assets.remove, str(self.folder))
        self.assets = self.folder / "assets"
        self.assets.mkdir()
        (self.assets / "hub-client").symlink_to(ASSETS / "hub-client")
        SERVER.requests, SERVER.sent, SERVER.listed_with = [], collections.Counter(), set()
        SERVER.break_after, SERVER.refusals, SERVER.instead, SERVER.listing = None, 0, {}, None
        SERVER.repositories = {"org/tiny": Repository({**SMALL, "model.safetensors": LARGE, **OTHERS})}
        for patch in (unittest.mock.patch.dict(os.environ, runs_for(self.folder)), unittest.mock.patch("hub.time.sleep", lambda seconds: None)):
            patch.start()
            self.addCleanup(patch.stop)

    def hub(self, *arguments, root=None, terminal=False):
        """Exit code, standard output and standard error, in this process: loading the client takes seconds."""
        out, err = io.StringIO(), Stream(terminal=terminal)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = hub.main([*arguments, "--assets", str(root or self.assets)])
        self.assertNotIn("Traceback", err.getvalue())
        for secret in (TOKEN, SIGNATURE):
            self.assertNotIn(secret, out.getvalue() + err.getvalue())
        return code, out.getvalue().strip(), err.getvalue()

    def fetched(self, name="org/tiny"):
        code, folder, err = self.hub("fetch", name, "--yes")
        self.assertEqual(code, 0, err)
        return pathlib.Path(folder)

    def refused(self, name, pattern, root=None):
        code, out, err = self.hub("fetch", name, "--yes", root=root)
        last = err.splitlines()[-1]
        self.assertEqual((code, out), (2, ""), err)
        self.assertRegex(last, pattern)
        self.assertRegex(last, r".+ \(.+\): .+|.+ \(.+\)$")  # what (where): what to do
        return err

    def process(self, command, *arguments, **environment):
        done = subprocess.run([*command, *arguments], env=dict(os.environ, **environment), stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, check=False)
        self.assertNotIn("Traceback", done.stderr)
        return done.returncode, done.stdout.strip(), done.stderr

    def hub_process(self, *arguments, **environment):
        return self.process([sys.executable, "-B", ROOT / "scripts" / "hub.py"], *arguments, "--assets", self.assets, **environment)

    def model(self, folder="hub"):
        return self.assets / folder / "models--org--tiny"


class Fetching(WithHub):
    def test_what_is_fetched_is_found(self):
        self.assertEqual(self.hub("find", "org/tiny")[0], 1)
        code, folder, err = self.hub("fetch", "org/tiny", "--yes")
        self.assertEqual((code, folder), (0, str(self.model() / "snapshots" / COMMIT)), err)
        self.assertEqual(self.hub("find", "org/tiny"), (0, folder, ""))
        self.assertEqual((self.model() / "refs" / "main").read_text(), COMMIT)
        for name, content in {**SMALL, "model.safetensors": LARGE}.items():
            self.assertEqual((pathlib.Path(folder) / name).read_bytes(), content, name)

    def test_what_will_be_fetched_is_said_first(self):
        err = self.hub("fetch", "org/tiny", "--yes")[2]
        self.assertEqual(err.splitlines()[0], f"org/tiny, commit {COMMIT} (main): 5 files, 12.3 kB, into {self.assets / 'hub'}")
        self.assertEqual(SERVER.listed_with, {"blobs=True"})

    def test_files_of_other_kinds_stay_where_they_are(self):
        folder = self.fetched()
        self.assertEqual(set(os.listdir(folder)), {*SMALL, "model.safetensors"})
        self.assertEqual(set(SERVER.sent), {*SMALL, "model.safetensors"})

    def test_no_progress_bar_and_no_telemetry_without_a_terminal(self):
        code, folder, err = self.hub_process("fetch", "org/tiny", "--yes", HF_HUB_ENABLE_HF_TRANSFER="1")
        self.assertEqual((code, folder), (0, str(self.model() / "snapshots" / COMMIT)), err)
        self.assertNotRegex(err, r"[\r%]|it/s|B/s")
        self.assertEqual({path.split("/")[1] for _, path, _, _ in SERVER.requests}, {"api", "org", "cdn"})

    def test_a_second_run_asks_nothing(self):
        folder = self.fetched()
        SERVER.requests.clear()
        self.assertEqual(self.fetched(), folder)
        self.assertEqual(SERVER.requests, [])

    def test_it_is_found_without_a_network(self):
        folder = self.fetched()
        for command in ("find", "fetch"):
            code, out, err = self.hub_process(command, "org/tiny", HF_ENDPOINT="http://127.0.0.1:9")
            self.assertEqual((code, out, err), (0, str(folder), ""))

    def test_a_revision_is_a_branch_a_tag_or_a_hash(self):
        repository = SERVER.repositories["org/tiny"]
        repository.commits[OLDER] = {**SMALL, "model.safetensors": b"older"}
        repository.revisions |= {"v1.0": OLDER, "refs/pr/3": OLDER}
        for revision, reference in (("v1.0", True), ("refs/pr/3", True), (OLDER, False), (OLDER[:8], False)):
            with self.subTest(revision):
                assets.remove(str(self.model()))
                folder = self.fetched(f"org/tiny@{revision}")
                self.assertEqual(folder.name, OLDER)
                self.assertEqual(self.hub("find", f"org/tiny@{revision}")[:2], (0, str(folder)))
                self.assertEqual((self.model() / "refs" / revision).exists(), reference)
                self.assertEqual(self.hub("find", "org/tiny")[0], 1)

    def test_revisions_share_the_files_that_they_have_in_common(self):
        SERVER.repositories["org/tiny"].commits[OLDER] = {**SMALL, "model.safetensors": LARGE}
        self.fetched()
        self.fetched(f"org/tiny@{OLDER}")
        self.assertEqual(SERVER.sent["model.safetensors"], len(LARGE))

    def test_all_shards_that_the_index_names_are_fetched(self):
        shards = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
        SERVER.repositories["org/tiny"] = Repository({**SMALL, **OTHERS, **sharded(*shards)})
        folder = self.fetched()
        self.assertEqual(set(os.listdir(folder)), {*SMALL, *shards, "model.safetensors.index.json"})
        os.remove(folder / shards[1])
        self.assertEqual(self.hub("find", "org/tiny")[0], 1)
        self.assertEqual(self.fetched(), folder)

    def test_an_index_that_names_what_is_not_there_is_refused_before_the_weights(self):
        first = "model-00001-of-00002.safetensors"
        for indexed, pattern in (((first, "model-00002-of-00002.safetensors"), "has no model-00002-of-00002"), ((first, "../x.safetensors"), "names '../x")):
            SERVER.repositories["org/tiny"] = Repository({**SMALL, **sharded(first, indexed=indexed)})
            assets.remove(str(self.model()))
            self.refused("org/tiny", pattern)
            self.assertEqual(SERVER.sent[first], 0)

    def test_the_cache_of_other_programs_comes_first(self):
        folder = self.fetched()
        places = {"HF_HUB_CACHE": "a", "HF_HOME": "b/hub", "HOME": "c/.cache/huggingface/hub", "XDG_CACHE_HOME": "d/huggingface/hub"}
        for variable, place in places.items():
            with self.subTest(variable):
                cache = self.folder / place
                shutil.copytree(self.assets / "hub", cache, symlinks=True)
                SERVER.requests.clear()
                with unittest.mock.patch.dict(os.environ, {variable: str(self.folder / place[0])}):
                    self.assertEqual(self.fetched(), cache / folder.relative_to(self.assets / "hub"))
                    self.assertEqual(SERVER.requests, [])
                    os.remove(cache / "models--org--tiny" / "snapshots" / COMMIT / "config.json")  # no longer whole
                    self.assertEqual(self.fetched(), folder)

    def test_a_token_is_sent_and_never_printed(self):
        SERVER.repositories["org/tiny"].refusal, SERVER.repositories["org/tiny"].token = (401, "GatedRepo"), TOKEN
        with unittest.mock.patch.dict(os.environ, HF_TOKEN=TOKEN):
            self.fetched()
        for _, path, _, authorization in SERVER.requests:
            self.assertEqual(authorization, None if path.startswith("/cdn/") else f"Bearer {TOKEN}")


class Interruptions(WithHub):
    def test_a_later_run_goes_on_in_the_middle_of_a_file(self):
        SERVER.break_after = 2 * BLOCK + 1000
        with unittest.mock.patch("hub.ATTEMPTS", 1):
            self.refused("org/tiny", r"cannot be reached .*it goes on where it stopped")
        self.assertEqual(self.hub("find", "org/tiny")[0], 1)
        self.assertFalse((self.model() / "refs").exists())
        SERVER.break_after = None
        SERVER.sent.clear()
        self.fetched()
        self.assertEqual(SERVER.sent, {"model.safetensors": BLOCK})
        self.assertEqual(SERVER.requests[-1][2], f"bytes={2 * BLOCK}-")

    def test_one_run_survives_a_connection_that_breaks_again_and_again(self):
        SERVER.break_after = BLOCK + 1000  # a block at a time: more breaks than attempts, were they not counted in a row
        with unittest.mock.patch("hub.ATTEMPTS", 2):
            self.fetched()
        self.assertEqual(sum(method == "GET" and path.endswith("model.safetensors") for method, path, *_ in SERVER.requests), 3)

    def test_one_run_survives_a_server_that_is_busy(self):
        SERVER.refusals = 2
        self.fetched()
        assets.remove(str(self.model()))
        SERVER.refusals = 1000
        self.refused("org/tiny", "answers with status 503 .org/tiny.: try again later")

    def test_what_an_earlier_run_left_may_be_of_no_use(self):
        blobs = self.model() / "blobs"
        blobs.mkdir(parents=True)
        (blobs / (hashlib.sha256(LARGE).hexdigest() + ".incomplete")).write_bytes(b"x" * (len(LARGE) + 1))
        self.assertEqual((self.fetched() / "model.safetensors").read_bytes(), LARGE)

    def test_wrong_content_is_removed_and_named(self):
        for name, content in (("model.safetensors", LARGE[:-1] + b"x"), ("tokenizer.json", b'{"model": []}')):
            with self.subTest(name):
                assets.remove(str(self.model()))
                SERVER.instead = {name: content}
                self.refused("org/tiny", f"not what the hub states .org/tiny: {name}.: .*it was deleted, run this again")
                self.assertFalse(os.path.lexists(self.model() / "snapshots" / COMMIT / name))
                self.assertNotIn(content, [path.read_bytes() for path in (self.model() / "blobs").iterdir()])
                self.assertEqual(self.hub("find", "org/tiny")[0], 1)
                SERVER.instead = {}
                self.fetched()

    def test_an_interrupt_is_one_line(self):
        with unittest.mock.patch("hub.Fetcher.bring", side_effect=KeyboardInterrupt):
            code, _, err = self.hub("fetch", "org/tiny", "--yes")
        self.assertEqual((code, err.splitlines()[-1]), (130, "interrupted (org/tiny): run this again, it goes on where it stopped"))


class Refusals(WithHub):
    def test_what_the_hub_refuses(self):
        cases = (
            ((401, "GatedRepo"), "the model is gated .org/tiny.: accept the licence on the model's page and set HF_TOKEN"),
            ((403, "GatedRepo"), "the model is gated"),
            ((401, "RepoNotFound"), "no such model, or a private one .org/tiny.: .*accept its licence.*HF_TOKEN"),
            ((401, None), "no such model, or a private one"),
            ((403, None), "does not give access .org/tiny.: accept the licence .*HF_TOKEN"),
            ((401, None, "Invalid credentials in Authorization header"), "does not accept the token"),
            ((500, None), "answers with status 500"),
        )
        for refusal, pattern in cases:
            for environment in ({}, {"HF_TOKEN": TOKEN}):
                with self.subTest(refusal=refusal, **environment), unittest.mock.patch.dict(os.environ, environment):
                    SERVER.repositories["org/tiny"].refusal = refusal
                    self.refused("org/tiny", pattern)
        self.assertFalse(self.model().exists())

    def test_no_such_model_and_no_such_revision(self):
        self.refused("org/none", "no such model, or a private one .org/none.: check the name")
        self.refused("org/tiny@none", "no such revision .org/tiny@none.: name a branch, a tag or a commit")

    def test_repositories_without_a_model_that_can_be_read(self):
        weights = {"model.safetensors": b"w"}
        cases = (
            ({**SMALL, "pytorch_model.bin": b""}, "has only .bin files .*: name a repository or a revision with safetensors"),
            ({**SMALL, "a.gguf": b"", "b.bin": b""}, "has only .bin/.gguf files .*: download one and give its path"),
            ({**SMALL, "adapter_model.safetensors": b""}, "neither model.safetensors nor .*adapter_model.safetensors.*: name that of the whole model"),
            ({**SMALL, "original/model.safetensors": b""}, "no weights"),
            ({}, "no weights"),
            ({"tokenizer.json": b"", **weights}, "has no config.json"),
            ({"config.json": b"", "merges.txt": b"", **weights}, "has no tokenizer"),
        )
        for files, pattern in cases:
            with self.subTest(pattern):
                SERVER.repositories["org/tiny"] = Repository(files)
                self.refused("org/tiny", pattern)
        self.assertFalse(self.model().exists())

    def test_what_answers_is_not_a_hub(self):
        for listing, pattern in ((b"<html>Log in</html>", "not a model hub .*check HF_ENDPOINT"), (b"{}", "does not say which commit|client failed"),
                                 (b'{"id": "a/b", "sha": "../../x", "siblings": []}', "does not say which commit"), (b"[]", "client failed")):
            with self.subTest(listing):
                SERVER.listing = listing
                self.refused("org/tiny", pattern)

    def test_no_network(self):
        code, out, err = self.hub_process("fetch", "org/tiny", "--yes", HF_ENDPOINT="http://127.0.0.1:9", HF_TOKEN=TOKEN)
        self.assertEqual((code, out, len(err.splitlines())), (2, "", 1), err)
        self.assertRegex(err, "the hub cannot be reached .http://127.0.0.1:9.: check network, proxy and HF_ENDPOINT")

    def test_offline_mode(self):
        for variable in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
            with self.subTest(variable), unittest.mock.patch.dict(os.environ, {variable: "1"}):
                self.refused("org/tiny", "no cache has this model, and HF_HUB_OFFLINE is set .org/tiny.: unset it")
        self.assertEqual(SERVER.requests, [])

    def test_malformed_names(self):
        names = ("", "/", "tiny", "a/b/c", "../x/y", "../x", "a/..", "a/.b", "a/b-", "a b/c", "a/b c", "a--b/c", "a/b--c", "a/b.git",
                 "a//b", "/a/b", "./a/b", "a/b@", "a/b@../c", "a/b@c d", "a/b@/c", "a/b@c/", "a/b@c@d", "a/b@" + "c" * 300, "a/\u00e9", "a/b\n", "a\\b/c")
        for name in names:
            for command in ("find", "fetch"):
                with self.subTest(name=name, command=command):
                    code, out, err = self.hub(command, name)
                    self.assertEqual((code, out), (2, ""))
                    self.assertRegex(err, "^this is not (the name of a model|a revision) .*write ORG/NAME")
        self.assertEqual(os.listdir(self.assets), ["hub-client"])
        for name in ("a/b", "A_1.x-y/B.c-2_d", "_a/b", "a/b@v1.0", "a/b@refs/pr/1", "a/b@feature/x-y"):
            self.assertEqual(hub.Name(name).text, name)

    def test_too_little_space(self):
        with unittest.mock.patch("assets.shutil.disk_usage", return_value=unittest.mock.Mock(free=10**8)):
            self.refused("org/tiny", "not enough disk space .*: 0.2 GB are needed and 0.1 GB are free; make room")
        self.assertEqual(sum(SERVER.sent.values()), 0)

    def test_the_disk_becomes_full(self):
        full = OSError(errno.ENOSPC, "No space left on device", "/somewhere")
        with unittest.mock.patch("huggingface_hub.file_download._chmod_and_move", side_effect=full):
            self.refused("org/tiny", "the disk is full ./somewhere.: make room")

    def test_a_folder_that_cannot_be_written(self):
        with unittest.mock.patch("hub.os.makedirs", side_effect=OSError(errno.EROFS, "Read-only file system")):
            self.refused("org/tiny", "cannot make a folder .*: Read-only file system; make it writable, or let REPLICATE_ASSETS")
        (self.folder / "file").write_text("")
        self.refused("org/tiny", "cannot make a folder", root=self.folder / "file")
        self.refused("org/tiny", "cannot make a folder ./sys.: .*; make it writable", root="/sys")  # not even root writes there

    @unittest.skipIf(os.geteuid() == 0, "root writes everywhere")
    def test_a_folder_without_permission(self):
        self.assets.chmod(0o555)
        self.refused("org/tiny", "cannot make a folder .*: Permission denied")
        self.assets.chmod(0o755)

    def test_an_answer_is_asked_for_on_a_terminal_alone(self):
        for answer, code in (("n\n", 2), ("", 2), ("\n", 0), ("Yes\n", 0)):
            for terminal in (True, False):
                with self.subTest(answer=answer, terminal=terminal):
                    assets.remove(str(self.model()))
                    with unittest.mock.patch("sys.stdin", Stream(answer, terminal)):
                        found = self.hub("fetch", "org/tiny", terminal=terminal)
                    self.assertEqual(found[0], code if terminal else 0, found)
                    self.assertEqual("Go on? [Y/n]" in found[2], terminal)

    def test_the_bar_on_a_terminal_shows_the_name_of_the_file(self):
        bars = sys.modules["huggingface_hub.utils.tqdm"]
        with unittest.mock.patch.object(bars, "are_progress_bars_disabled", return_value=False), unittest.mock.patch("sys.stdin", Stream("y\n", True)):
            err = self.hub("fetch", "org/tiny", terminal=True)[2]
        self.assertRegex(err, r"\rmodel.safetensors: ")


class Client(WithHub):
    def test_it_is_installed_with_its_hashes_and_once(self):
        (self.assets / "hub-client").unlink()
        with unittest.mock.patch("hub.run_pip", os.makedirs), contextlib.redirect_stderr(io.StringIO()):
            folder = hub.install_client(str(self.assets))
        with unittest.mock.patch("hub.run_pip", side_effect=AssertionError):
            self.assertEqual(hub.install_client(str(self.assets)), folder)
        self.assertEqual(os.listdir(self.assets), ["hub-client"])

    def test_other_pins_install_it_again(self):
        (self.assets / "hub-client").unlink()
        (self.assets / "hub-client").mkdir()
        (self.assets / "hub-client" / "pins.sha256").write_text("another")
        with unittest.mock.patch("hub.run_pip", os.makedirs), contextlib.redirect_stderr(io.StringIO()):
            hub.install_client(str(self.assets))
        self.assertEqual((self.assets / "hub-client" / "pins.sha256").read_text(), fetch.file_sha256(hub.PINS))

    def test_without_an_index_it_is_one_line(self):
        (self.assets / "hub-client").unlink()
        with unittest.mock.patch.dict(os.environ, PIP_NO_INDEX="1", PIP_FIND_LINKS=str(self.folder)):
            self.refused("org/tiny", r"^huggingface_hub \S+ cannot be installed .pip.: .*huggingface.hub==.*run this again")
        self.assertEqual(sorted(os.listdir(self.assets)), ["hub"])

    def test_every_pin_has_its_hash_and_xet_is_not_among_them(self):
        pins = pathlib.Path(hub.PINS).read_text("utf-8")
        pinned = re.findall(r"^[\w-]+==\S+ \\\n(?: +--hash=sha256:[0-9a-f]{64}(?: \\)?\n)+", pins, re.MULTILINE)
        self.assertEqual("".join(pinned), "".join(line for line in pins.splitlines(True) if not line.startswith("#")))
        self.assertNotRegex("".join(pinned), "xet")

    def test_plain_http_unless_the_user_wants_otherwise(self):
        self.assertTrue(sys.modules["huggingface_hub"].constants.HF_HUB_DISABLE_XET)
        self.assertTrue(sys.modules["huggingface_hub"].constants.HF_HUB_DISABLE_TELEMETRY)

    def test_no_line_holds_a_secret(self):
        with unittest.mock.patch.dict(os.environ, HF_TOKEN="secret"):
            line = hub.without_secrets("x secret hf_abcDEF http://a/b?X-Signature=123 y\nsecond")
        self.assertEqual(line, "x (token) (token) http://a/b y")


class SetUp(WithHub):
    """scripts/setup, and the launcher, which passes names on to it."""

    def setup(self, *arguments, root=None):
        script = ROOT / "scripts" / "setup"
        return self.process([script, "--packages-only", *arguments], PATH=self.path(), REPLICATE_ASSETS=str(root or self.assets))

    def path(self):
        """Commands with a package manager that has every package, so that these tests are about models alone."""
        tools = self.folder / "bin"
        tools.mkdir(exist_ok=True)
        for name in ("dpkg-query", "ninja", "cmake"):
            (tools / name).write_text("#!/bin/sh\n" + (f"awk '!/^#/ {{print \"ii \", $2}}' '{ROOT}/scripts/packages.txt'\n" if name == "dpkg-query" else ""))
            (tools / name).chmod(0o755)
        return f"{tools}:/usr/bin:/bin"

    def test_it_fetches_a_model_once(self):
        code, out, err = self.setup("--model", "org/tiny", "--yes")
        self.assertEqual((code, out), (0, ""), err)
        self.assertIn("org/tiny is in", err)
        self.assertEqual(self.setup("--model=org/tiny", "--offline"), (0, "", ""))

    def test_offline_it_says_what_is_missing(self):
        code, _, err = self.setup("--offline", "--model", "org/tiny", "--model", "org/other@v1")
        self.assertEqual(code, 2)
        self.assertIn("missing: the model org/tiny, org/other@v1 (scripts/setup --model NAME fetches it)", err)
        self.assertEqual(SERVER.requests, [])

    def test_a_refusal_ends_it(self):
        for arguments, pattern in ((("--model", "org/none"), "no such model"), (("--model", "a/b/c"), "not the name"), (("--model",), "needs a name"), (("--model", "--yes"), "needs a name")):
            code, _, err = self.setup(*arguments)
            self.assertEqual(code, 2)
            self.assertRegex(err, pattern)

    def test_a_folder_that_cannot_be_written_is_one_line(self):
        code, out, err = self.setup("--model", "org/tiny", root="/sys")
        self.assertEqual((code, out, err), (2, "", "cannot write a lock (/sys/.lock): make its folder writable\n"))

    def test_its_usage_names_the_option(self):
        self.assertIn("--model ORG/NAME[@REVISION]", self.setup("--help")[1])

    def handed_on(self, *arguments):
        """What a copy of the launcher passes to set-up and to the program, from a folder that has a/b."""
        root = self.folder / "checkout"
        shutil.rmtree(root, ignore_errors=True)
        (root / "configs" / "models").mkdir(parents=True)
        (root / "scripts").mkdir()
        (root / "a").mkdir()
        (root / "a" / "b").write_text("")
        shutil.copy(ROOT / "replicate", root)
        (root / "scripts" / "setup").write_text('#!/bin/sh\necho "setup $*"\n')
        (root / "scripts" / "setup").chmod(0o755)
        common = (ROOT / "scripts" / "common.sh").read_text("utf-8")
        (root / "scripts" / "common.sh").write_text(common + "\nbuild() { :; }\nBUILD=$ROOT\n")
        (root / "program").mkdir()
        launcher = (root / "replicate").read_text("utf-8").replace('exec "$BUILD/replicate"', 'echo "program ${arguments[*]}"; exit #')
        (root / "replicate").write_text(launcher)
        done = subprocess.run([root / "replicate", *arguments], cwd=root, env=dict(os.environ, REPLICATE_ASSETS=str(self.assets)),
                              capture_output=True, text=True, check=False)
        setup, program = done.stdout.splitlines()
        self.assertEqual(program.split()[1:], [word for word in arguments if word not in ("--yes", "--offline")])
        return setup.split()[1:]

    def test_the_launcher_hands_names_to_it(self):
        cases = (
            (("--only", "mechanism", "--model", "org/tiny"), ["--model", "org/tiny"]),
            (("--all", "--model=org/tiny@v1", "--yes"), ["--model", "org/tiny@v1", "--yes"]),
            (("--model", "org/tiny", "--offline"), ["--model", "org/tiny", "--offline"]),
            (("--model", "a/b"), []),  # a file that is there
            (("--model", "./org/tiny"), []),
            (("--model", "/org/tiny"), []),
            (("--model", "~/tiny"), []),
            (("--model", "org/tiny/x"), []),
            (("--model", "models/tiny.gguf"), []),
            (("--model", "smollm2"), []),
            (("--out", "runs/mine", "--model", "smollm2"), []),
            (("report", "runs/mine"), []),
            (("--all",), []),
        )
        for arguments, setup in cases:
            with self.subTest(arguments):
                self.assertEqual(self.handed_on(*arguments), setup)


if __name__ == "__main__":
    unittest.main()
