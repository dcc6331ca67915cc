"""What can go wrong, each in one line that says what, where, and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


MOST = 30  # names in a message


class RunError(Exception):
    """A run cannot be read, or the program could not make one."""


class UnknownName(KeyError):
    """A run has no claim of this name, or a claim no such curve or panel."""

    def __str__(self) -> str:
        return str(self.args[0])  # KeyError would put the sentence in quotes


def unknown(what: str, name: object, known: Iterable[str]) -> UnknownName:
    """The error for a name that is none of the known ones: it lists near ones, or all where there are few and none is near."""
    names = list(dict.fromkeys(known))
    near = difflib.get_close_matches(str(name), names, n=5) or [one for one in names if str(name) and str(name) in one][:5]
    if near:
        return UnknownName(f"no {what} is called {name!r}: did you mean {' or '.join(near)}?")
    listed = ", ".join(names[:MOST]) + (", ..." if len(names) > MOST else "")
    return UnknownName(f"no {what} is called {name!r}: there " + (f"are {listed}" if names else "are none"))
