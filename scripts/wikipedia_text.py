"""The running prose of a Wikipedia dump, without its markup: scripts/assets.py makes the encyclopaedic text with it."""

import html
import re

LEAST = 200  # characters of a paragraph; shorter ones are captions, lists and stubs
ARTICLE = re.compile(r"<text[^>]*>(.*?)</text>", re.DOTALL)
NOTES = re.compile(r"<!--.*?-->|<ref[^>]*/>|<ref.*?</ref>|<(math|table|gallery|pre)\b.*?</\1>", re.DOTALL | re.IGNORECASE)
INNERMOST = re.compile(r"\{\{[^{}]*\}\}|\{\|[^{}]*\|\}", re.DOTALL)
NAMESPACED = re.compile(r"\[\[(?:[A-Za-z][\w-]*):[^\[\]]*\]\]")  # pictures, categories, other languages
LINK = re.compile(r"\[\[(?:[^\[\]|]*\|)?([^\[\]|]*)\]\]")
OUTSIDE = re.compile(r"\[\w+://\S+\s?([^\]]*)\]")
LEFTOVERS = re.compile(r"[\[\]{}|<>]|https?:|&\w+;")


def without(pattern, text):
    """Again and again, as markup nests."""
    while (shorter := pattern.sub("", text)) != text:
        text = shorter
    return text


def plain(markup):
    text = without(NOTES, html.unescape(markup))
    text = without(INNERMOST, text)
    for _ in range(2):  # a link may stand in the caption of a picture
        text = NAMESPACED.sub("", text)
        text = LINK.sub(r"\1", text)
    text = re.sub(r"'{2,}|<[^<>]*>", "", OUTSIDE.sub(r"\1", text))
    return html.unescape(re.sub(r"[ \t]+", " ", text))


def paragraphs(dump):
    """Those of all articles that are long, begin like a sentence and hold no remains of markup."""
    for article in ARTICLE.finditer(dump):
        for line in plain(html.unescape(article[1])).split("\n"):
            line = line.strip()
            if len(line) >= LEAST and line[0].isupper() and not LEFTOVERS.search(line):
                yield line
