"""Finds a model by its Hugging Face name in the caches of this machine, and fetches it.

    hub.py find  ORG/NAME[@REVISION] --assets DIR           prints the model's folder; exit 1 when no cache has it whole
    hub.py fetch ORG/NAME[@REVISION] --assets DIR [--yes]   fetches it into DIR/hub, unless a cache has it

The caches are looked through in the order of HF_HUB_CACHE, HF_HOME/hub, ~/.cache/huggingface/hub and DIR/hub. Fetching
is left to the package huggingface_hub, so HF_TOKEN, HF_ENDPOINT, HF_HUB_OFFLINE and proxies mean what they mean
elsewhere. The package is installed into DIR/hub-client from the pins in hub_client.txt, for this alone. The name of a
branch or a tag is written down (DIR/hub/models--ORG--NAME/refs) only when all files are there and verified, so an
interrupted run leaves nothing that could be taken for a model, and the next one goes on.
"""

import argparse
import contextlib
import errno
import functools
import hashlib
import json
import os
import re
import subprocess
import sys
import time
import types
import warnings

import assets
import fetch
from fetch import Failure, say

PINS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "hub_client.txt")
ONE_FILE, INDEX = "model.safetensors", "model.safetensors.index.json"
TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json")  # one of them is enough
SMALL_FILES = {
    "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "tokenizer.model",
    "special_tokens_map.json", "vocab.json", "merges.txt", "added_tokens.json", "chat_template.jinja",
}
SHARD = re.compile(r"model-\d+-of-\d+\.safetensors")
WEIGHTS = re.compile(r"[\w.-]+\.safetensors", re.ASCII)
COMMIT = re.compile(r"[0-9a-f]{40}")
HASH_BEGINNING = re.compile(r"[0-9a-f]{4,40}")
ATTEMPTS = 4
BLOCK = 1 << 20  # what an interruption loses at most


# --- names ---------------------------------------------------------------------------------------


class Name:
    """ORG/NAME[@REVISION]"""

    PART = re.compile(r"\w([\w.-]*\w)?", re.ASCII)
    REVISION = re.compile(r"\w[\w./-]*", re.ASCII)

    def __init__(self, text):
        self.text = text
        self.repository, at, revision = text.partition("@")
        self.revision = revision if at else "main"
        parts = self.repository.split("/")
        doubled = "--" in self.repository or ".." in text or "//" in text
        if len(parts) != 2 or doubled or not all(map(self.PART.fullmatch, parts)) or parts[1].endswith(".git"):
            raise Failure(f"this is not the name of a model ({printable(text)}): write ORG/NAME or ORG/NAME@REVISION")
        if not self.REVISION.fullmatch(self.revision) or self.revision.endswith("/") or len(text) > 250:
            raise Failure(f"this is not a revision ({printable(text)}): write ORG/NAME@REVISION, with a branch, a tag or a commit")
        self.folder = "models--" + "--".join(parts)


def printable(text):
    return "".join(character if character.isprintable() else "?" for character in text)


# --- what is there -------------------------------------------------------------------------------


def caches(root):
    """The folders in which models may lie: those of the reader's other programs come first."""
    places = [os.environ.get("HF_HUB_CACHE"), joined(os.environ.get("HF_HOME"), "hub")]
    places.append(joined(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "huggingface", "hub"))
    return [os.path.expandvars(os.path.expanduser(place)) for place in places if place] + [os.path.join(root, "hub")]


def joined(first, *rest):
    return os.path.join(first, *rest) if first else None


def commit_of(folder, revision):
    """The commit that a cache has for a branch, a tag, a hash or a hash's unique beginning; None when it has none."""
    with contextlib.suppress(OSError):
        with open(os.path.join(folder, "refs", revision), encoding="ascii", errors="replace") as file:
            return file.read(100).strip()
    if not HASH_BEGINNING.fullmatch(revision):
        return None
    with contextlib.suppress(OSError):
        found = [name for name in os.listdir(os.path.join(folder, "snapshots")) if name.startswith(revision)]
        return found[0] if len(found) == 1 else None
    return None


def shards_of(index):
    """Names of the files that an index of weights names; none that leads elsewhere."""
    try:
        with open(index, encoding="utf-8") as file:
            names = sorted(set(json.load(file)["weight_map"].values()))
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as fault:
        raise Failure(f"the index of the weights cannot be read ({index}): delete it and fetch the model again") from fault
    for name in names:
        if not WEIGHTS.fullmatch(str(name)):
            raise Failure(f"the index of the weights names {name!r} ({index}): do not use this model")
    return names


def missing_files(snapshot):
    """What a model needs and this folder lacks."""
    def is_there(name):
        return os.path.exists(os.path.join(snapshot, name))

    missing = [] if is_there("config.json") else ["config.json"]
    if not any(map(is_there, TOKENIZERS)):
        missing.append(TOKENIZERS[0])
    if is_there(ONE_FILE):
        return missing
    if not is_there(INDEX):
        return missing + [ONE_FILE]
    return missing + [name for name in shards_of(os.path.join(snapshot, INDEX)) if not is_there(name)]


def is_whole(snapshot):
    try:
        return os.path.isdir(snapshot) and not missing_files(snapshot)
    except Failure:
        return False


def find(name, root):
    """The model's folder in the first cache that has it whole; None when no cache has."""
    for cache in caches(root):
        folder = os.path.join(cache, name.folder)
        commit = commit_of(folder, name.revision)
        if commit and re.fullmatch(r"\w+", commit):
            snapshot = os.path.join(folder, "snapshots", commit)
            if is_whole(snapshot):
                return os.path.abspath(snapshot)
    return None


# --- the client ----------------------------------------------------------------------------------


def pinned_version():
    with open(PINS, encoding="utf-8") as file:
        return re.search(r"^(huggingface_hub)==(\S+)", file.read(), re.MULTILINE).expand(r"\1 \2")


def install_client(root):
    """The folder of the client, installed there first when it is missing or from other pins."""
    folder = os.path.join(root, "hub-client")
    stamp, pins = os.path.join(folder, "pins.sha256"), fetch.file_sha256(PINS)
    with contextlib.suppress(OSError):
        with open(stamp, encoding="ascii") as file:
            if file.read() == pins:
                return folder
    say(f"{pinned_version()}, which fetches models: installing into {folder} (3 MB)")
    aside = os.path.join(root, f".hub-client-{os.getpid()}")
    try:
        run_pip(aside)
        with open(os.path.join(aside, "pins.sha256"), "w", encoding="ascii") as file:
            file.write(pins)
        assets.move_into_place(assets.Store(root), aside, folder)
    finally:
        assets.remove(aside)
    return folder


def run_pip(target):
    options = ["--quiet", "--no-input", "--no-deps", "--only-binary", ":all:", "--require-hashes", "--target", target]
    # A folder of its own is no place to ask for a virtual environment or the user's packages.
    environment = dict(os.environ, PIP_USER="0", PIP_REQUIRE_VIRTUALENV="0", PIP_DISABLE_PIP_VERSION_CHECK="1")
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", *options, "-r", PINS], env=environment,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )
    if done.returncode != 0:
        lines = [line for line in done.stdout.splitlines() if line.startswith("ERROR")] or done.stdout.splitlines()
        last = lines[-1].removeprefix("ERROR: ") if lines else "no message"
        raise Failure(f"{pinned_version()} cannot be installed (pip): {last}; put that right and run this again")


def load_client(root):
    """The client's modules. What its settings are it reads from the environment, once, when it is loaded."""
    folder = install_client(root)
    os.environ.setdefault("HF_HUB_DISABLE_XET", "1")
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")  # its warnings hold addresses that may be signed
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    os.environ["HF_HUB_ENABLE_HF_TRANSFER"] = "0"  # that package is not installed here
    if not sys.stderr.isatty():
        os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    if folder not in sys.path:
        sys.path.insert(0, folder)
    warnings.simplefilter("ignore")
    try:
        import huggingface_hub  # pylint: disable=import-outside-toplevel
        import requests  # pylint: disable=import-outside-toplevel
        from huggingface_hub import constants, errors, file_download  # pylint: disable=import-outside-toplevel
    except Exception as fault:
        raise Failure(f"the client cannot be loaded ({folder}): {fault}; delete this folder and run this again") from fault
    constants.DOWNLOAD_CHUNK_SIZE = BLOCK
    return types.SimpleNamespace(hub=huggingface_hub, constants=constants, errors=errors, requests=requests,
                                 transfer=file_download, http_get=file_download.http_get)


# --- what went wrong -----------------------------------------------------------------------------


def status_of(fault):
    return getattr(getattr(fault, "response", None), "status_code", None)


def cause_of(fault, client):
    """Of what the client sums up as "not in the cache", what the network said."""
    while isinstance(fault, client.errors.LocalEntryNotFoundError) and fault.__cause__ is not None:
        fault = fault.__cause__
    return fault


def refusal(fault, name, client):
    """What an answer of the hub means; None when it is no answer of the hub."""
    errors, status = client.errors, status_of(fault)
    licence = "accept the licence on the model's page and set HF_TOKEN to a token of that account"
    said = getattr(getattr(fault, "response", None), "headers", {}).get("X-Error-Message", "")
    if "Invalid credentials" in said:
        return f"the hub does not accept the token ({name.text}): set HF_TOKEN to a valid one, or unset it"
    if isinstance(fault, errors.GatedRepoError):
        return f"the model is gated ({name.text}): {licence}"
    if isinstance(fault, errors.RevisionNotFoundError):
        return f"the model has no such revision ({name.text}): name a branch, a tag or a commit of {name.repository}"
    if status == 403:
        return f"the hub does not give access ({name.text}): {licence}"
    if status == 401 or isinstance(fault, errors.RepositoryNotFoundError):
        return (
            f"the hub has no such model, or a private one ({name.text}): check the name; if it is private, accept its licence "
            "if it has one and set HF_TOKEN to a token that may read it"
        )
    if status is not None:
        return f"the hub answers with status {status} ({name.text}): try again later"
    return None


def explain(fault, name, client):
    """The one line that a fault of the client comes down to."""
    fault, requests = cause_of(fault, client), client.requests
    where = fetch.without_password(client.constants.ENDPOINT)
    if isinstance(fault, client.errors.OfflineModeIsEnabled):
        return offline_message(name)
    if text := refusal(fault, name, client):
        return text
    if getattr(fault, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk is full ({fault.filename or name.text}): make room and run this again, it goes on where it stopped"
    if isinstance(fault, requests.exceptions.JSONDecodeError):
        return f"what answers is not a model hub ({where}): check HF_ENDPOINT and the proxy"
    if isinstance(fault, requests.exceptions.SSLError):
        return f"the hub's certificate is not trusted ({where}): set REQUESTS_CA_BUNDLE to the certificates of your network"
    if isinstance(fault, (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)):
        return f"the hub cannot be reached ({where}): check network, proxy and HF_ENDPOINT; run this again, it goes on where it stopped"
    if isinstance(fault, OSError) and fault.errno is not None:
        where = fault.filename or name.text
        return f"cannot write ({where}): {fault.strerror}; make it writable, or let REPLICATE_ASSETS name another folder"
    return f"the client failed ({name.text}): {type(fault).__name__}, {without_secrets(str(fault))}; run this again"


def without_secrets(text):
    """The first line, without tokens and without the signatures that addresses end with."""
    line = (text.strip().splitlines() or ["no message"])[0]
    for secret in filter(None, (os.environ.get("HF_TOKEN"), os.environ.get("HUGGING_FACE_HUB_TOKEN"))):
        line = line.replace(secret, "(token)")
    line = re.sub(r"hf_\w+", "(token)", line)
    return re.sub(r"\?\S+", "", line)


def offline_message(name):
    return f"no cache has this model, and HF_HUB_OFFLINE is set ({name.text}): unset it and run this again"


def is_passing(fault, client):
    """Whether trying again may help."""
    fault, kinds = cause_of(fault, client), client.requests.exceptions
    if isinstance(fault, (kinds.SSLError, kinds.ProxyError)):
        return False
    status = status_of(fault)
    passing = (kinds.ConnectionError, kinds.Timeout, kinds.ChunkedEncodingError)
    return isinstance(fault, passing) or is_stale(fault) or (status is not None and (status in (408, 425, 429) or status >= 500))


def is_stale(fault):
    """What an earlier run left does not fit the file: the hub has no such range, or the file came out too long."""
    return status_of(fault) == 416 or "Consistency check failed" in str(fault)


# --- fetching ------------------------------------------------------------------------------------


def chosen_files(siblings, name):
    """Of a repository's files those that a model is made of: the small ones, and the weights once. What else there is,
    such as weights of other kinds, and folders with them, stays where it is."""
    files = {file.rfilename: file for file in siblings}
    if ONE_FILE in files:
        weights = {ONE_FILE}
    elif INDEX in files:
        shards = set(filter(SHARD.fullmatch, files)) or set(filter(WEIGHTS.fullmatch, files))
        weights = {INDEX} | shards
    else:
        raise Failure(no_weights(files, name))
    if "config.json" not in files or not files.keys() & set(TOKENIZERS):
        lacks = "config.json" if "config.json" not in files else "tokenizer (" + ", ".join(TOKENIZERS) + ")"
        raise Failure(f"the repository has no {lacks} ({name.text}): name one of a language model that has it")
    # Small files first: a refusal, or an index that names what is not there, then costs little.
    return sorted((files[file] for file in (files.keys() & SMALL_FILES) | weights), key=lambda file: (is_weight(file), file.rfilename))


def is_weight(file):
    return file.rfilename.endswith(".safetensors")


def no_weights(files, name):
    others = [file for file in files if "/" not in file and re.search(r"\.(bin|gguf|pt|pth|h5|msgpack|onnx|safetensors)$", file)]
    kinds = sorted({"." + file.rpartition(".")[2] for file in others})
    if ".safetensors" in kinds:
        some = ", ".join(sorted(others)[:3])
        return f"the repository has neither {ONE_FILE} nor {INDEX} ({name.text}: {some}): name that of the whole model"
    if ".gguf" in kinds:
        return f"the repository has only {'/'.join(kinds)} files ({name.text}): download one and give its path with --model"
    if kinds:
        return f"the repository has only {'/'.join(kinds)} files ({name.text}): name a repository or a revision with safetensors"
    return f"the repository has no weights ({name.text}): name that of a model"


def size_text(size):
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} bytes"


def ask(yes):
    """As scripts/setup does: only on a terminal is there anyone to ask."""
    if yes or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return
    print("Go on? [Y/n] ", end="", file=sys.stderr, flush=True)
    answer = sys.stdin.readline()
    if not answer or answer.strip()[:1].lower() not in ("", "y"):
        raise Failure("nothing was fetched: as you wish")


class Fetcher:
    """One model on its way into DIR/hub."""

    def __init__(self, client, name, root):
        self.client, self.name = client, name
        self.cache = os.path.join(root, "hub")
        self.folder = os.path.join(self.cache, name.folder)
        with self.explained():
            info = client.hub.HfApi().model_info(name.repository, revision=name.revision, files_metadata=True)
        self.commit = info.sha or ""
        if not COMMIT.fullmatch(self.commit):
            raise Failure(f"the hub does not say which commit this is ({name.text}): check HF_ENDPOINT")
        self.files = chosen_files(info.siblings or [], name)
        self.snapshot = os.path.join(self.folder, "snapshots", self.commit)

    @contextlib.contextmanager
    def explained(self):
        try:
            yield
        except Failure:
            raise
        except Exception as fault:  # whatever the client raises becomes one line
            raise Failure(explain(fault, self.name, self.client)) from fault

    def describe(self):
        total = sum(file.size or 0 for file in self.files)
        which = f"{self.name.repository}, commit {self.commit} ({self.name.revision})"
        say(f"{which}: {len(self.files)} files, {size_text(total)}, into {self.cache}")

    def check_space(self):
        with self.explained():
            os.makedirs(self.folder, exist_ok=True)
        left = sum(max((file.size or 0) - self.bytes_there(file), 0) for file in self.files)
        assets.check_space(assets.Store(self.cache), left + assets.SPARE)

    def bytes_there(self, file):
        """How much of a file an earlier run has brought."""
        blob = os.path.join(self.folder, "blobs", etag_of(file))
        places = (os.path.join(self.snapshot, file.rfilename), blob, blob + ".incomplete")
        return max(assets.size_of(place) or 0 for place in places)

    def run(self):
        for file in self.files:
            if self.client.constants.HF_HUB_DISABLE_PROGRESS_BARS:
                say(f"  {file.rfilename}: {size_text(file.size or 0)}")
            with self.explained():
                self.bring(file)
                self.verify(file)
            if file.rfilename == INDEX:
                self.check_index()
        if missing := missing_files(self.snapshot):
            raise Failure(f"the model is not complete ({self.snapshot}: {', '.join(missing)}): run this again")
        with self.explained():
            self.write_reference()

    def check_index(self):
        known = {file.rfilename for file in self.files}
        for shard in shards_of(os.path.join(self.snapshot, INDEX)):
            if shard not in known:
                raise Failure(f"the repository has no {shard}, which its index names ({self.name.text}): name another revision")

    def bring(self, file):
        """Goes on with what is there. Attempts count only in a row: a slow line that keeps moving is not given up."""
        attempt = 0
        # Otherwise the bar shows the end of the address, which may be its signature.
        self.client.transfer.http_get = functools.partial(self.client.http_get, displayed_filename=file.rfilename)
        while True:
            before = self.bytes_there(file)
            try:
                self.client.hub.hf_hub_download(
                    self.name.repository, file.rfilename, revision=self.commit, cache_dir=self.cache)
                return
            except Exception as fault:
                attempt = 0 if self.bytes_there(file) > before else attempt
                if not is_passing(fault, self.client) or attempt + 1 == ATTEMPTS:
                    raise
                if is_stale(fault):
                    self.discard(file)
                say(f"  {file.rfilename}: the connection broke off: trying again in {2**attempt} s")
                time.sleep(2**attempt)
                attempt += 1

    def verify(self, file):
        """Nothing that differs from what the hub states is kept: the next run would trust it."""
        path = os.path.join(self.snapshot, file.rfilename)
        size = os.path.getsize(path)
        digest = fetch.file_sha256(path) if file.lfs else git_hash(path, size)
        stated = file.lfs.sha256 if file.lfs else file.blob_id
        if (file.size is None or size == file.size) and (stated is None or digest == stated):
            return
        self.discard(file)
        raise Failure(
            f"the file is not what the hub states ({self.name.text}: {file.rfilename}): it has {size} bytes and hash {digest}, stated are "
            f"{file.size} bytes and {stated}; it was deleted, run this again"
        )

    def discard(self, file):
        path = os.path.join(self.snapshot, file.rfilename)
        blob = os.path.join(self.folder, "blobs", etag_of(file))
        for place in (os.path.realpath(path), path, blob, blob + ".incomplete"):
            assets.remove(place)

    def write_reference(self):
        """What a branch or a tag stands for. A hash stands for itself."""
        revision = self.name.revision
        if HASH_BEGINNING.fullmatch(revision) and self.commit.startswith(revision):
            return
        path = os.path.join(self.folder, "refs", revision)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path + ".part", "w", encoding="ascii") as file:
            file.write(self.commit)
        os.replace(path + ".part", path)


def etag_of(file):
    """Under which name the client keeps a file's content."""
    return (file.lfs.sha256 if file.lfs else file.blob_id) or "unknown"


def git_hash(path, size):
    """Git's name for the content of a file that is not in LFS."""
    digest = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(BLOCK), b""):
            digest.update(block)
    return digest.hexdigest()


# --- commands ------------------------------------------------------------------------------------


def is_offline():
    """As the client reads it; asked first, because offline there is no use in installing it."""
    value = os.environ.get("HF_HUB_OFFLINE") or os.environ.get("TRANSFORMERS_OFFLINE") or ""
    return value.upper() in ("1", "ON", "YES", "TRUE")


def make_folder(root):
    try:
        os.makedirs(os.path.join(root, "hub"), exist_ok=True)
    except OSError as fault:
        raise Failure(
            f"cannot make a folder ({root}): {fault.strerror}; make it writable, or let REPLICATE_ASSETS name another folder"
        ) from fault


def fetch_model(name, root, yes):
    """The folder of the model, which is fetched when no cache has it."""
    snapshot = find(name, root)
    if snapshot:
        return snapshot
    if is_offline():
        raise Failure(offline_message(name))
    make_folder(root)
    fetcher = Fetcher(load_client(root), name, root)
    fetcher.describe()
    fetcher.check_space()
    ask(yes)
    fetcher.run()
    say(f"{name.text} is in {fetcher.snapshot}")
    return fetcher.snapshot


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("command", choices=["find", "fetch"])
    parser.add_argument("model", metavar="ORG/NAME[@REVISION]")
    parser.add_argument("--assets", required=True, metavar="DIR")
    parser.add_argument("--yes", action="store_true", help="fetch without asking")
    arguments = parser.parse_args(arguments)
    root = os.path.abspath(arguments.assets)
    try:
        name = Name(arguments.model)
        snapshot = find(name, root) if arguments.command == "find" else fetch_model(name, root, arguments.yes)
    except (Failure, OSError) as failure:
        say(failure)
        return 2
    except KeyboardInterrupt:
        say(f"interrupted ({arguments.model}): run this again, it goes on where it stopped")
        return 130
    if snapshot is None:
        return 1
    print(snapshot)
    return 0


if __name__ == "__main__":
    sys.exit(main())
