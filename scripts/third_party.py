"""Brings the sources of the third-party libraries that configs/third_party.yaml pins.

    third_party.py fetch  --cache DIR --out DIR [--sources DIR]   brings them to DIR, in the place of what is there
    third_party.py status --out DIR                               says whether they are missing; exit 1 when they are

They are Debian's source packages, fetched by apt from the places that this machine's apt knows, or
taken from a folder. What is in the cache already is not fetched again. Debian's own patches are
left out: cmake/third_party compiles the plain upstream files.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys

import assets
import fetch
from fetch import Failure, say

PINS = os.path.join(assets.ROOT, "configs", "third_party.yaml")
APT = "/etc/apt"
BOOST_HEADER = re.compile(r"libs/.+?/include/(boost/.+)")
# Included through macros that put names together, so that no text mentions each of them.
BOOST_WHOLE = ("boost/config/", "boost/preprocessor/", "boost/mpl/")
STAMP = "stamp.json"


# --- fetching ------------------------------------------------------------------------------------


def is_pinned(path, entry):
    return os.path.exists(path) and fetch.file_sha256(path) == entry["sha256"]


def source_lists():
    """This machine's Debian package lists, with source packages in the place of binary ones."""
    lists = {}
    for name in ("sources.list", "sources.list.d/debian.sources", "sources.list.d/ubuntu.sources"):
        path = os.path.join(APT, name)
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                text = re.sub(r"^Types:.*$", "Types: deb-src", file.read(), flags=re.M)
            name = os.path.basename(name).replace("sources.list", "main.list")
            lists[name] = re.sub(r"^deb(-src)? ", "deb-src ", text, flags=re.M)
    return lists


def apt_options(folder):
    """An apt of our own: no list of the machine's is changed, and no root is needed."""
    for name in ("lists/partial", "cache/archives/partial", "parts"):
        os.makedirs(os.path.join(folder, name), exist_ok=True)
    for name, text in source_lists().items():
        with open(os.path.join(folder, "parts", name), "w", encoding="utf-8") as file:
            file.write(text)
    settings = {
        "Dir::Etc::SourceList": "/dev/null",
        "Dir::Etc::SourceParts": os.path.join(folder, "parts"),
        "Dir::State::Lists": os.path.join(folder, "lists"),
        "Dir::Cache": os.path.join(folder, "cache"),
        "Acquire::Retries": "3",
    }
    return [option for key, value in settings.items() for option in ("-o", f"{key}={value}")]


def apt_fetch(cache, entries):
    """apt's exit status is not asked: its index may be ahead of its mirror in files that we do not
    need, and the pins say whether we have those that we do."""
    if not shutil.which("apt-get"):
        raise Failure("there is no apt-get (PATH): name a folder that has the archives of configs/third_party.yaml with --sources")
    folder = os.path.abspath(os.path.join(cache, "apt"))
    apt = ["apt-get", "-q", *apt_options(folder)]
    log = os.path.join(folder, "log")
    with open(log, "w", encoding="utf-8") as file:
        def run(*words):
            subprocess.run([*apt, *words], cwd=cache, stdout=file, stderr=file, check=False)
        run("update")
        for entry in entries:
            say(f"  {entry['file']}")
            run("source", "--download-only", "--tar-only", entry["package"])
    return log


def copy_given(sources, cache, entries):
    for entry in entries:
        path = os.path.join(sources, entry["file"])
        if os.path.exists(path):
            shutil.copyfile(path, os.path.join(cache, entry["file"]))


def bring(cache, sources, entries):
    os.makedirs(cache, exist_ok=True)
    def missing():
        return [entry for entry in entries if not is_pinned(os.path.join(cache, entry["file"]), entry)]
    where = sources
    if sources:
        copy_given(sources, cache, missing())
    elif missing():
        where = apt_fetch(cache, missing())
    if lacking := missing():
        names = " ".join(entry["file"] for entry in lacking)
        raise Failure(
            f"sources are missing or not the pinned ones ({where}): {names}; they belong to Debian 12: "
            "look there, or name a folder that has them with --sources"
        )


# --- unpacking -----------------------------------------------------------------------------------


def boost_headers(path):
    """{name as it is included: content} of all headers of a Boost source archive."""
    headers = {}
    for name, opened, *_ in assets.archive_members(path):
        if match := BOOST_HEADER.fullmatch(name):
            with opened() as file:
                headers[match[1]] = file.read().decode("utf-8", "replace")
    return headers


def mentioned(name, text):
    """Every header that a text names, be it behind #include or in a macro, and those beside it."""
    yield from re.findall(r"boost/[\w/.+-]+\.(?:hpp|ipp|h)\b", text)
    for near in re.findall(r'^\s*#\s*include\s*"([^"]+)"', text, flags=re.M):
        yield os.path.normpath(os.path.join(os.path.dirname(name), near))


def reached(headers, texts):
    """The headers that `texts` reach under any compiler: more than one compiler would read."""
    found = {name for name in headers if name.startswith(BOOST_WHOLE)}
    waiting = [("", text) for text in texts] + [(name, headers[name]) for name in found]
    while waiting:
        for name in mentioned(*waiting.pop()):
            if name in headers and name not in found:
                found.add(name)
                waiting.append((name, headers[name]))
    return sorted(found)


def texts_under(folder, names=(".cpp", ".h", ".hpp")):
    for parent, _, files in os.walk(folder):
        for file in files:
            if file.endswith(names):
                with open(os.path.join(parent, file), encoding="utf-8", errors="replace") as opened:
                    yield opened.read()


def our_texts():
    for folder in ("base", "harness", "reports", "tests"):
        yield from texts_under(os.path.join(assets.ROOT, folder))


def unpack_boost_headers(path, out):
    headers = boost_headers(path)
    for name in reached(headers, [*our_texts(), *texts_under(out)]):
        target = os.path.join(out, "boost", "include", name)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "w", encoding="utf-8") as file:
            file.write(headers[name])


def unpack(cache, entries, out):
    for entry in entries.values():
        assets.unpack_members(os.path.join(cache, entry["file"]), entry["take"], out)
    for name in entries:
        if not os.path.isdir(os.path.join(out, name)):
            raise Failure(f"nothing was taken from an archive ({name}): correct its entry in {PINS}")
    unpack_boost_headers(os.path.join(cache, entries["boost"]["file"]), out)


# --- commands ------------------------------------------------------------------------------------


def state(entries):
    """What the unpacked sources follow from: the pins, and the headers of Boost that our sources name."""
    named = {name for text in our_texts() for name in mentioned("", text) if name.startswith("boost/")}
    return {"pins": assets.pins_hash(entries), "boost": sorted(named)}


def is_there(out, entries):
    """Headers beyond those that are named now do no harm."""
    try:
        with open(os.path.join(out, STAMP), encoding="utf-8") as file:
            stamp = json.load(file)
    except (OSError, ValueError):
        return False
    wanted = state(entries)
    return stamp["pins"] == wanted["pins"] and set(wanted["boost"]) <= set(stamp["boost"])


def touch_all(folder):
    """Files keep the times of their archives, by which Ninja would not see that others took their place."""
    for parent, _, names in os.walk(folder):
        for name in names:
            os.utime(os.path.join(parent, name))


def status(out, entries):
    if is_there(out, entries):
        return 0
    size = sum(int(entry["bytes"]) for entry in entries.values())
    print(f"missing: third-party sources ({len(entries)} of Debian's source packages, {size / 1e6:.0f} MB)")
    return 1


def fetch_sources(cache, out, sources, entries):
    """Unpacked aside and moved into place whole, the stamp with them."""
    bring(cache, sources, entries.values())
    aside = out.rstrip("/") + ".unpacking"
    assets.remove(aside)
    unpack(cache, entries, aside)
    touch_all(aside)
    with open(os.path.join(aside, STAMP), "w", encoding="utf-8") as file:
        json.dump(state(entries), file, indent=1)
    assets.move_into_place(assets.Store(os.path.dirname(aside)), aside, out)
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("command", choices=["status", "fetch"])
    parser.add_argument("--cache", metavar="DIR", help="where the archives are kept")
    parser.add_argument("--out", required=True, metavar="DIR")
    parser.add_argument("--sources", metavar="DIR", help="folder that has the pinned files")
    arguments = parser.parse_args()
    entries = assets.read_pins(PINS)
    if arguments.command == "status":
        return status(arguments.out, entries)
    return fetch_sources(arguments.cache or parser.error("fetch needs --cache"), arguments.out, arguments.sources, entries)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Failure, OSError) as failure:
        say(f"third-party sources: {failure}")
        sys.exit(2)
    except KeyboardInterrupt:
        say("third-party sources: interrupted: run it again, it goes on where it stopped")
        sys.exit(130)
