"""Finds a pinned file on the reader's package indexes and downloads it.

Where to look is asked of pip itself: its configuration files, its environment variables and its
built-in default. So a mirror, a proxy, a private certificate or a folder of wheels that works for
pip works here, and no host is named in this project. pip's own downloader is not used because it
starts again from nothing after a broken connection; the largest file here has half a gigabyte.
"""

import base64
import hashlib
import html.parser
import json
import os
import re
import ssl
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

ATTEMPTS = 6
BLOCK = 1 << 20
JSON_PAGE = "application/vnd.pypi.simple.v1+json"


class Failure(Exception):
    """One line: what (where): what to do."""


def say(text):
    print(text, file=sys.stderr, flush=True)


class Indexes:
    """The package indexes and folders that the reader's pip would use."""

    def __init__(self):
        options = pip_options()
        self.folders = list(options.find_links)
        self.pages = [] if options.no_index else [options.index_url] + options.extra_index_urls
        self.timeout = float(options.timeout)
        self.trusted = set(options.trusted_hosts or [])
        self.cert = options.cert
        self.proxy = options.proxy
        self.openers = {}
        self.links = {}
        self.faults = []

    def find(self, package, filename):
        """The address of `filename`, or None when no index offers it."""
        if package not in self.links:
            self.links[package] = self.list_files(package)
        return self.links[package].get(filename)

    def list_files(self, package):
        """File names with their addresses; as in pip, a folder of wheels comes before an index."""
        found = {}
        name = re.sub(r"[-_.]+", "-", package).lower()
        pages = list(self.folders) + [page.rstrip("/") + "/" + name + "/" for page in self.pages]
        for page in pages:
            try:
                for filename, address in self.read_page(page):
                    found.setdefault(filename, address)
            except (OSError, ValueError) as fault:
                self.faults.append(f"{without_password(page)}: {fault}")
        return found

    def read_page(self, page):
        folder = local_path(page)
        if folder is not None:
            index = os.path.join(folder, "index.html") if os.path.isdir(folder) else folder
            if os.path.isdir(folder) and not os.path.exists(index):
                return [(name, os.path.join(folder, name)) for name in sorted(os.listdir(folder))]
            if not os.path.exists(index):
                return []
            with open(index, encoding="utf-8") as file:
                return html_links(file.read(), "file://" + urllib.parse.quote(index))
        return self.read_remote_page(page)

    def read_remote_page(self, page):
        request = urllib.request.Request(page, headers={"Accept": JSON_PAGE + ", text/html;q=0.5"})
        for attempt in range(ATTEMPTS):
            try:
                with self.open(request) as answer:
                    text = answer.read().decode("utf-8", "replace")
                    is_json = "json" in answer.headers.get("Content-Type", "")
                    return json_links(text, answer.url) if is_json else html_links(text, answer.url)
            except urllib.error.HTTPError as fault:
                if fault.code == 404:
                    return []
                wait_or_raise(fault, attempt, page)
            except OSError as fault:
                wait_or_raise(fault, attempt, page)

    def open(self, request):
        parts = urllib.parse.urlsplit(request.full_url)
        if parts.username is not None:
            request = self.with_authorization(request, parts)
        return self.opener(parts.hostname).open(request, timeout=self.timeout)

    @staticmethod
    def with_authorization(request, parts):
        """urllib does not read a user name and a password out of an address."""
        user, password = (urllib.parse.unquote(text or "") for text in (parts.username, parts.password))
        token = base64.b64encode(f"{user}:{password}".encode()).decode()
        headers = dict(request.header_items(), Authorization="Basic " + token)
        return urllib.request.Request(without_password(request.full_url), headers=headers)

    def opener(self, host):
        if host not in self.openers:
            context = ssl.create_default_context(cafile=self.cert)
            if host in self.trusted:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            handlers = [urllib.request.HTTPSHandler(context=context)]
            if self.proxy:
                handlers.append(urllib.request.ProxyHandler({"http": self.proxy, "https": self.proxy}))
            self.openers[host] = urllib.request.build_opener(*handlers)
        return self.openers[host]


def pip_options():
    try:
        from pip._internal.commands import create_command
    except ImportError as fault:
        raise Failure(f"pip is missing ({sys.executable}): install python3-pip") from fault
    options, _ = create_command("download").parse_args([])
    return options


def without_password(address):
    parts = urllib.parse.urlsplit(address)
    if parts.username is None:
        return address
    return urllib.parse.urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def local_path(address):
    """The path of a file: address or of a plain path; None for anything on a network."""
    if address.startswith("file:"):
        return urllib.request.url2pathname(urllib.parse.urlsplit(address).path)
    return None if "://" in address else os.path.expanduser(address)


class LinkReader(html.parser.HTMLParser):
    def __init__(self, base):
        super().__init__()
        self.base = base
        self.addresses = []

    def handle_starttag(self, tag, attributes):
        target = dict(attributes).get("href")
        if tag == "base" and target:
            self.base = urllib.parse.urljoin(self.base, target)
        if tag == "a" and target:
            self.addresses.append(urllib.parse.urljoin(self.base, target))


def named(addresses):
    pairs = []
    for address in addresses:
        address = urllib.parse.urldefrag(address)[0]
        pairs.append((urllib.parse.unquote(address.rpartition("/")[2]), address))
    return pairs


def html_links(text, base):
    reader = LinkReader(base)
    reader.feed(text)
    return named(reader.addresses)


def json_links(text, base):
    files = json.loads(text).get("files", [])
    return named(urllib.parse.urljoin(base, file["url"]) for file in files)


def wait_or_raise(fault, attempt, address):
    """Waits before the next attempt; raises when the fault is no passing one or was the last."""
    code = getattr(fault, "code", None)
    passing = code is None or code in (408, 425, 429) or code >= 500
    certificate = isinstance(getattr(fault, "reason", None), ssl.SSLCertVerificationError)
    if not passing or certificate or attempt + 1 == ATTEMPTS:
        raise fault
    pause = min(2**attempt, 20)
    say(f"  {fault} ({without_password(address)}): trying again in {pause} s")
    time.sleep(pause)


class Progress:
    """A line that counts on a terminal; elsewhere one line a quarter."""

    def __init__(self, label, total, done):
        self.label, self.total = label, total
        self.terminal = sys.stderr.isatty()
        self.next_time = 0.0
        self.next_quarter = done * 4 // total + 1

    def show(self, done):
        megabytes = f"{done / 1e6:.0f} of {self.total / 1e6:.0f} MB"
        if self.terminal and (time.monotonic() >= self.next_time or done == self.total):
            self.next_time = time.monotonic() + 0.2
            end = "\n" if done == self.total else ""
            print(f"\r  {self.label}: {megabytes} ", end=end, file=sys.stderr, flush=True)
        elif not self.terminal and done * 4 >= self.next_quarter * self.total:
            self.next_quarter = done * 4 // self.total + 1
            say(f"  {self.label}: {megabytes}")


def download(indexes, address, path, size, sha256):
    """Brings `address` to `path`; goes on with what an interrupted download left in PATH.part."""
    part = path + ".part"
    source = local_path(address)
    label = os.path.basename(path)
    if source is not None:
        copy_local(source, part, label)
    else:
        download_remote(indexes, address, part, size, label)
    check(part, address, size, sha256)
    os.replace(part, path)


def copy_local(source, part, label):
    """A link costs no disk space, but cannot cross file systems."""
    say(f"  {label}: from {os.path.dirname(source)}")
    if os.path.exists(part):
        os.remove(part)
    os.symlink(os.path.abspath(source), part)


def download_remote(indexes, address, part, size, label):
    if os.path.islink(part) or (os.path.exists(part) and os.path.getsize(part) > size):
        os.remove(part)
    attempt = 0
    while True:
        before = part_size(part)
        if before == size:
            return
        try:
            append_rest(indexes, address, part, size, Progress(label, size, before))
            if part_size(part) >= size:
                return
            raise ConnectionError("the connection ended early")
        except OSError as fault:
            # Attempts count only in a row: a slow line that keeps moving is not given up.
            attempt = 0 if part_size(part) > before else attempt
            wait_or_raise(fault, attempt, address)
            attempt += 1


def part_size(part):
    return os.path.getsize(part) if os.path.exists(part) else 0


def append_rest(indexes, address, part, size, progress):
    done = part_size(part)
    headers = {"Range": f"bytes={done}-"} if done else {}
    with indexes.open(urllib.request.Request(address, headers=headers)) as answer:
        if done and answer.status != 206:  # this server cannot go on in the middle
            done = 0
        with open(part, "ab" if done else "wb") as file:
            while done <= size:
                block = answer.read(BLOCK)
                if not block:
                    break
                file.write(block)
                done += len(block)
                progress.show(min(done, size))


def file_sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(BLOCK), b""):
            digest.update(block)
    return digest.hexdigest()


def check(part, address, size, sha256):
    """Nothing that differs from its pin is kept: the next set-up would trust it."""
    is_size, is_sha256 = os.path.getsize(part), file_sha256(part)
    if (is_size, is_sha256) == (size, sha256):
        return
    os.remove(part)
    raise Failure(
        f"the file is not the pinned one ({without_password(address)}): it has {is_size} bytes and sha256 "
        f"{is_sha256}, pinned are {size} bytes and {sha256}; it was deleted, run set-up again, and "
        "if it happens again, ask who runs this index"
    )
