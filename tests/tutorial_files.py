"""Cuts the files out of a text in Markdown: a fence whose first line ends in a path holds that file.

    tutorial_files.py TEXT FOLDER            writes the files below FOLDER
    tutorial_files.py TEXT --commands        prints the lines of its fences of commands (```sh)
"""

import os
import re
import sys

FENCE = re.compile(r"^```(?P<language>\w+)(?: (?P<path>[\w./]+))?\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)


def fences(text):
    """(language, path or None, body) of every fence that says its language."""
    return [match.group("language", "path", "body") for match in FENCE.finditer(text)]


def write_files(text, folder):
    for _, path, body in fences(text):
        if path is None:
            continue
        if path.startswith("/") or ".." in path.split("/"):
            sys.exit(f"a file outside the tree ({path}): name it from the tree's root")
        target = os.path.join(folder, path)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "w", encoding="utf-8") as file:
            file.write(body)


def main(text_file, what):
    with open(text_file, encoding="utf-8") as file:
        text = file.read()
    if what == "--commands":
        print("".join(body for language, path, body in fences(text) if language == "sh" and path is None), end="")
    else:
        write_files(text, what)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
