"""Brings what configs/assets.yaml pins into the assets folder: LibTorch, the model, the prose, and
the tokenizer that is trained on the prose.

    assets.py status  --assets DIR            says what is missing; exit 1 when something is
    assets.py fetch   --assets DIR [--keep]   fetches, verifies and unpacks what is missing
    ... --with NAME                           an optional asset, too
    ... --accept-licence NAME                 what is optional because its licence asks for consent
    ... --only NAME                           this asset and no other

An asset is made of one or more files of a package index. Where an asset has several builds, the
first one whose files are all offered is taken. Every asset is unpacked aside and moved into place
whole; a stamp, written last, says from which pins it was made. So an interrupted run leaves
nothing half done, and the next one goes on.
"""

import argparse
import fnmatch
import gzip
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile

import fetch
import wikipedia_text
from fetch import Failure, say

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PINS = os.path.join(ROOT, "configs", "assets.yaml")
TRAINER = os.path.join(ROOT, "scripts", "train_tokenizer.py")
MINIMUM_LIBTORCH = (2, 11)
WATCHED_SIZE = 100_000  # files of this size and more are looked at before an asset counts as there
SPARE = 200_000_000
DUMP_CHARACTERS = 20_000_000  # of a Wikipedia dump: gives 10 MB of prose, twice what there is of the default prose


# --- pins ----------------------------------------------------------------------------------------


def read_pins(path):
    """Reads the few YAML forms that the pins use, as Python has no YAML reader of its own:
    entries, their `key: value` lines, and lists of scalars."""
    entries, entry, items = {}, None, None
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            line = re.sub(r"(^|\s)#.*", "", line).rstrip()
            if not line:
                continue
            if match := re.fullmatch(r"([\w.-]+):", line):
                entry = entries[match[1]] = {}
            elif match := re.fullmatch(r"  (\w+):", line):
                items = entry[match[1]] = []
            elif match := re.fullmatch(r"  (\w+): (.+)", line):
                entry[match[1]] = match[2].strip("\"'")
            elif match := re.fullmatch(r"    - (.+)", line):
                items.append(match[1].strip("\"'"))
            else:
                raise Failure(f"cannot read this line ({path}:{number}): see the comment at its top")
    return entries


def builds_of(entries):
    """{asset: {build: [entry]}} for this machine, in the order of the file."""
    machine = platform.machine()
    assets = {}
    for entry in entries.values():
        builds = assets.setdefault(entry["asset"], {})
        if entry.get("machine", machine) == machine:
            builds.setdefault(entry.get("build", "any"), []).append(entry)
    return assets


def pins_hash(build):
    return hashlib.sha256(json.dumps(build, sort_keys=True).encode()).hexdigest()


# --- what is there -------------------------------------------------------------------------------


class Store:
    """The assets folder."""

    def __init__(self, root):
        self.root = root
        self.downloads = os.path.join(root, "downloads")

    def path(self, *parts):
        return os.path.join(self.root, *parts)

    def is_there(self, asset, builds):
        try:
            with open(self.path("stamps", asset), encoding="utf-8") as file:
                stamp = json.load(file)
        except (OSError, ValueError):
            return False
        hashes = [pins_hash(build) for build in builds.values()]
        return stamp["pins"] in hashes and all(
            size_of(self.path(path)) == size for path, size in stamp["files"].items()
        )

    def write_stamp(self, asset, build, files):
        os.makedirs(self.path("stamps"), exist_ok=True)
        temporary = self.path("stamps", f".{asset}")
        with open(temporary, "w", encoding="utf-8") as file:
            json.dump({"pins": pins_hash(build), "files": files}, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, self.path("stamps", asset))


def size_of(path):
    try:
        return os.path.getsize(path)
    except OSError:
        return None


def check_given_libtorch(folder):
    """LIBTORCH names one that is there already; says what is wrong with it, if anything."""
    fix = "unset LIBTORCH, or let it name a folder that holds include/ and lib/ of LibTorch"
    for path in ("include/torch/csrc/api/include/torch/torch.h", "lib/libtorch_cpu.so"):
        if not os.path.exists(os.path.join(folder, path)):
            raise Failure(f"LIBTORCH has no {path} ({folder}): {fix}")
    version = libtorch_version(folder)
    if version < MINIMUM_LIBTORCH:
        needed = ".".join(map(str, MINIMUM_LIBTORCH))
        text = ".".join(map(str, version)) or "unknown"
        raise Failure(f"LIBTORCH is version {text} ({folder}): {needed} or newer is needed; {fix}")


def libtorch_version(folder):
    for header in ("torch/headeronly/version.h", "torch/csrc/api/include/torch/version.h"):
        try:
            with open(os.path.join(folder, "include", header), encoding="utf-8") as file:
                numbers = re.findall(r"#define TORCH_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)", file.read())
        except OSError:
            continue
        if len(numbers) == 3:
            return tuple(map(int, numbers))
    return ()


# --- fetching ------------------------------------------------------------------------------------


def choose_build(indexes, asset, builds):
    if not builds:
        remedy = "set LIBTORCH to the folder of one that you have" if asset == "libtorch" else f"add one to {PINS}"
        raise Failure(f"no {asset} is pinned for this machine ({platform.machine()}): {remedy}")
    for build in builds.values():
        if all(indexes.find(entry["package"], entry["file"]) for entry in build):
            return build
    wanted = ", ".join(entry["file"] for entry in list(builds.values())[-1])
    faults = "; ".join(indexes.faults) or "no index that pip uses lists them"
    raise Failure(f"{asset} cannot be found ({faults}): pip's indexes must offer {wanted}")


def bytes_needed(store, builds):
    """What is still to be downloaded, and what the unpacked files take."""
    total = SPARE
    for build in builds:
        for entry in build:
            there = max(size_of(store.path("downloads", entry["file"] + end)) or 0 for end in ("", ".part"))
            total += int(entry["unpacked_bytes"]) + max(int(entry["bytes"]) - there, 0)
    return total


def check_space(store, needed):
    free = shutil.disk_usage(store.root).free
    if free < needed:
        raise Failure(
            f"not enough disk space ({store.root}): {needed / 1e9:.1f} GB are needed and "
            f"{free / 1e9:.1f} GB are free; make room, or let REPLICATE_ASSETS name another folder"
        )


def bring(store, indexes, entry):
    """The downloaded and verified file."""
    os.makedirs(store.downloads, exist_ok=True)
    path = os.path.join(store.downloads, entry["file"])
    if size_of(path) == int(entry["bytes"]) and fetch.file_sha256(path) == entry["sha256"]:
        return path
    address = indexes.find(entry["package"], entry["file"])
    try:
        fetch.download(indexes, address, path, int(entry["bytes"]), entry["sha256"])
    except OSError as fault:
        raise Failure(
            f"cannot download {entry['file']} ({fetch.without_password(address)}): {fault}; "
            "run set-up again, it goes on where it stopped"
        ) from fault
    return path


# --- unpacking -----------------------------------------------------------------------------------


def archive_members(path):
    """(name, function that opens it, time, whether it is a program) of every file in a wheel or an sdist.
    Nothing in the archive is ever run, and no path in it is used to write to."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                if not info.is_dir():
                    seconds = time.mktime(info.date_time + (0, 0, -1))
                    yield info.filename, lambda info=info: archive.open(info), seconds, info.external_attr >> 16 & 0o100
    else:
        with tarfile.open(path) as archive:
            for info in archive.getmembers():
                if info.isfile():
                    name = info.name.partition("/")[2]  # without the folder NAME-VERSION/
                    yield name, lambda info=info: archive.extractfile(info), info.mtime, info.mode & 0o100


def destination(name, rules):
    """Where a member goes. A rule is 'FROM TO': a folder/ with all below it, or a pattern of files
    (which matches within one folder)."""
    for rule in rules:
        source, target = rule.split()
        if source.endswith("/") and name.startswith(source):
            return target + name[len(source) :]
        same_depth = name.count("/") == source.count("/")
        if same_depth and fnmatch.fnmatchcase(name, source):
            return target + os.path.basename(name) if target.endswith("/") else target
    return None


def unpack_members(path, rules, folder):
    """The archive's times are kept, so that unpacking again rebuilds nothing."""
    for name, opened, seconds, is_program in archive_members(path):
        target = destination(name, rules)
        if target is None:
            continue
        if ".." in target.split("/"):
            raise Failure(f"a member leaves its folder ({path}: {name}): do not use this file")
        target = os.path.join(folder, target)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with opened() as source, open(target, "wb") as file:
            shutil.copyfileobj(source, file, 1 << 20)
        if is_program:
            os.chmod(target, 0o755)
        os.utime(target, (seconds, seconds))


def tidy_text(text):
    """Line ends of one kind, no white space before them, no more than one empty line in a row."""
    lines = [line.rstrip() for line in text.splitlines()]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"


def join_texts(path, pattern, target):
    """One file of the texts that match, in the order of their names, an empty line between two."""
    texts = {}
    for name, opened, *_ in archive_members(path):
        if fnmatch.fnmatchcase(name, pattern):
            with opened() as source:
                texts[name] = tidy_text(source.read().decode("utf-8"))
    os.makedirs(os.path.dirname(target), exist_ok=True)
    with open(target, "w", encoding="utf-8", newline="\n") as file:
        file.write("\n".join(texts[name] for name in sorted(texts)))


def gunzip_member(path, pattern, target):
    """The one file that matches, without its compression."""
    for name, opened, *_ in archive_members(path):
        if fnmatch.fnmatchcase(name, pattern):
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with opened() as packed, gzip.open(packed) as source, open(target, "wb") as file:
                shutil.copyfileobj(source, file, 1 << 20)


def articles_member(path, pattern, target):
    """The prose at the beginning of the one packed dump that matches, an empty line between two paragraphs."""
    for name, opened, *_ in archive_members(path):
        if fnmatch.fnmatchcase(name, pattern):
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with opened() as packed, gzip.open(packed, "rt", encoding="utf-8", errors="ignore") as source:
                prose = "\n\n".join(wikipedia_text.paragraphs(source.read(DUMP_CHARACTERS)))
            with open(target, "w", encoding="utf-8", newline="\n") as file:
                file.write(prose + "\n")


def train_tokenizer(store, path, rule, target):
    """Runs the wheel's library for this step only, from a folder that is gone afterwards. What it
    names as dependencies it does not need for this."""
    vocabulary, text = rule.split()
    library = store.path(".library")
    remove(library)
    unpack_members(path, ["tokenizers/ tokenizers/"], library)
    say(f"  training on {text}")
    done = subprocess.run(
        [sys.executable, "-B", TRAINER, store.path(text), vocabulary, target],
        env=dict(os.environ, PYTHONPATH=library, PYTHONNOUSERSITE="1"),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )
    remove(library)
    if done.returncode != 0:
        last = (done.stdout.strip().splitlines() or ["no message"])[-1]
        raise Failure(f"the tokenizer cannot be trained ({text}): {last}; run set-up again when that is put right")


def append_member(path, pattern, target):
    """The one file that matches, behind what earlier parts have left."""
    for name, opened, *_ in archive_members(path):
        if fnmatch.fnmatchcase(name, pattern):
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with opened() as source, open(target, "ab") as file:
                shutil.copyfileobj(source, file, 1 << 20)


def unpack(store, entry, path, folder):
    result = os.path.join(folder, entry["provides"])
    if "take" in entry:
        unpack_members(path, entry["take"], folder)
    if "join" in entry:
        join_texts(path, entry["join"], result)
    if "gunzip" in entry:
        gunzip_member(path, entry["gunzip"], result)
    if "articles" in entry:
        articles_member(path, entry["articles"], result)
    if "append" in entry:
        append_member(path, entry["append"], result)
    if "train" in entry:
        train_tokenizer(store, path, entry["train"], result)
    if not os.path.exists(result):
        raise Failure(f"{entry['file']} holds no {entry['provides']} ({path}): correct its entry in {PINS}")
    if "result_sha256" in entry and fetch.file_sha256(result) != entry["result_sha256"]:
        raise Failure(
            f"the unpacked file differs from its pin ({entry['provides']}: {fetch.file_sha256(result)}): "
            f"correct its entry in {PINS}"
        )


def watched_files(folder):
    files = {}
    for parent, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(parent, name)
            if os.path.getsize(path) >= WATCHED_SIZE:
                files[os.path.relpath(path, folder)] = os.path.getsize(path)
    return files


def remove(path):
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.remove(path)


def move_into_place(store, source, target):
    """The old one is moved away first: a folder cannot be replaced by renaming onto it."""
    old = store.path(".old")
    remove(old)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if os.path.lexists(target):
        os.rename(target, old)
    os.rename(source, target)
    remove(old)


def install(store, indexes, asset, build, keep):
    paths = [bring(store, indexes, entry) for entry in build]
    folder = store.path(f".unpacking-{asset}")
    remove(folder)
    say(f"  {asset}: unpacking")
    for entry, path in zip(build, paths):
        unpack(store, entry, path, folder)
    files = watched_files(folder)
    for result in sorted({entry["provides"] for entry in build}):
        move_into_place(store, os.path.join(folder, result), store.path(result))
    store.write_stamp(asset, build, files)
    remove(folder)
    if not keep:
        for path in paths:
            remove(path)


# --- commands ------------------------------------------------------------------------------------


def wanted_assets(entries, extras, licences=()):
    """{asset: builds}: all but the optional ones, and those of them that were asked for, by name or by accepting
    the licence that they come under."""
    optional = {entry["asset"]: entry.get("consent") for entry in entries.values() if "optional" in entry}
    for name in extras:
        if name not in optional:
            raise Failure(f"unknown asset ({name}): --with knows {', '.join(sorted(optional))}")
        if optional[name] and optional[name] not in licences:
            raise Failure(f"{name} comes under the {optional[name]} licence (NOTICE): add --accept-licence {optional[name]}")
    for licence in licences:
        if licence not in optional.values():
            known = ", ".join(sorted(filter(None, optional.values())))
            raise Failure(f"unknown licence ({licence}): --accept-licence knows {known}")
    unwanted = {name for name, consent in optional.items() if name not in extras and consent not in licences}
    return {asset: builds for asset, builds in builds_of(entries).items() if asset not in unwanted}


def missing_assets(store, extras, licences, only=None):
    """{asset: builds} that are not there."""
    entries = read_pins(PINS)
    if only:
        builds = builds_of(entries)[only]
        return {} if store.is_there(only, builds) else {only: builds}
    assets = wanted_assets(entries, extras, licences)
    given = os.environ.get("LIBTORCH")
    if given:
        check_given_libtorch(given)
    if given or "cuda" in assets or store.is_there("cuda", builds_of(entries)["cuda"]):
        assets.pop("libtorch")
    return {asset: builds for asset, builds in assets.items() if not store.is_there(asset, builds)}


def describe(build):
    size = sum(int(entry["bytes"]) for entry in build)
    names = " and ".join(f"{entry['package']} {entry['version']}" for entry in build[:3])
    if len(build) > 3:
        names += f" and {len(build) - 3} more"
    return f"{names}, {size / 1e6:.0f} MB"


def status(missing):
    for asset, builds in missing.items():
        choice = "; or ".join(map(describe, builds.values())) or "none is pinned for this machine"
        print(f"missing: {asset} ({choice})")
    return 1 if missing else 0


def fetch_missing(store, missing, keep):
    if not missing:
        return 0
    os.makedirs(store.root, exist_ok=True)
    started = time.monotonic()
    indexes = fetch.Indexes()
    chosen = {asset: choose_build(indexes, asset, builds) for asset, builds in missing.items()}
    check_space(store, bytes_needed(store, chosen.values()))
    for asset, build in chosen.items():
        say(f"{asset}: {describe(build)} ({build[0]['licence']})")
        install(store, indexes, asset, build, keep)
    say(f"assets are in {store.root} ({time.monotonic() - started:.0f} s)")
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("command", choices=["status", "fetch"])
    parser.add_argument("--assets", required=True, metavar="DIR")
    parser.add_argument("--keep", action="store_true", help="keep the downloaded files")
    parser.add_argument("--with", action="append", default=[], dest="extras", metavar="NAME", help="an optional asset, too")
    parser.add_argument("--accept-licence", action="append", default=[], dest="licences", metavar="NAME",
                        help="what comes under this licence, too")
    parser.add_argument("--only", metavar="NAME", help="this asset and no other")
    arguments = parser.parse_args()
    store = Store(os.path.abspath(arguments.assets))
    missing = missing_assets(store, arguments.extras, arguments.licences, arguments.only)
    if arguments.command == "status":
        return status(missing)
    return fetch_missing(store, missing, arguments.keep)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Failure, OSError) as failure:
        say(f"set-up: {failure}")
        sys.exit(2)
    except KeyboardInterrupt:
        say("set-up: interrupted: run it again, it goes on where it stopped")
        sys.exit(130)
