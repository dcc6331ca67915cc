"""Brings the sources of the third-party libraries that configs/third_party.yaml pins.

    third_party.py --cache DIR --out DIR [--sources DIR]

They are Debian's source packages, fetched by apt from the places that this machine's apt knows, or
taken from a folder. What is in the cache already is not fetched again. Debian's own patches are
left out: cmake/third_party compiles the plain upstream files.
"""

import argparse
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
        raise Failure("there is no apt-get (PATH): make the bundle on Debian 12, or use --sources")
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


def unpack_boost_headers(path, out):
    headers = boost_headers(path)
    ours = ("base", "harness", "reports", "tests")
    texts = [text for folder in ours for text in texts_under(os.path.join(assets.ROOT, folder))]
    for name in reached(headers, texts + list(texts_under(out))):
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


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cache", required=True, metavar="DIR")
    parser.add_argument("--out", required=True, metavar="DIR", help="an empty folder, or a new one")
    parser.add_argument("--sources", metavar="DIR", help="folder that has the pinned files")
    arguments = parser.parse_args()
    entries = assets.read_pins(PINS)
    bring(arguments.cache, arguments.sources, entries.values())
    unpack(arguments.cache, entries, arguments.out)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Failure, OSError) as failure:
        say(f"bundle: {failure}")
        sys.exit(2)
    except KeyboardInterrupt:
        say("bundle: interrupted: run it again, it goes on where it stopped")
        sys.exit(130)
