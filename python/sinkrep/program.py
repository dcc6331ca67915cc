"""Starts the program and reads what it leaves."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Optional, Union

from .errors import RunError
from .recorded import Run, read

PathLike = Union[str, os.PathLike[str]]

FAILED, BROKEN = 1, 3  # of the program's exit codes (docs/verdicts.md)


def run(
    model: Any = None,
    only: Union[str, Iterable[str], None] = None,
    *,
    tokenizer: Any = None,
    profile: Optional[str] = None,
    out: Optional[PathLike] = None,
    device: Optional[str] = None,
    set: Optional[Mapping[str, object]] = None,  # pylint: disable=redefined-builtin
    arguments: Sequence[str] = (),
    program: Optional[PathLike] = None,
    download: bool = False,
    progress: bool = True,
) -> Run:
    """Measures claims, which takes from a minute (profile "smoke") to hours, and reads what was recorded.

    - model: a name or a path, as --model takes it; or a live model of `transformers`, which is saved to a temporary folder (in
      $TMPDIR) for as long as the run takes. Without it, the program's default model
    - only: a claim, a regular expression, or a kind (mechanism, intervention, training); or several in a list. Without it, all claims
    - tokenizer: of a live model; claims that read text need it
    - profile: how much to measure (docs/usage.md), such as "smoke" or "cpu"
    - out: folder to write; without it a new one in the program's results/
    - device: "auto", "cpu", "cuda" or "cuda:N"
    - set: changes of settings, such as {"claims.sink_onset.natural.sequences": 4}
    - arguments: further options as on the command line, such as ["--bos", "on"]
    - program: the program to start; without it $REPLICATE, ./replicate of the sources, or `replicate` on the PATH
    - download: ./replicate fetches and installs what is missing, hundreds of MB, without asking. Otherwise it says what is missing
    - progress: show the program's lines while it works

    Verdicts are results: a run is returned whatever they are. It is returned with a warning when a claim ended in an error.

    Raises RunError when the program cannot be found or started, refuses what it was given, or leaves no records. Ctrl-C interrupts the
    program, waits until it has written what it has, and raises KeyboardInterrupt.
    """
    command = [find_program(program), *_only(only)]
    for option, value in (("--profile", profile), ("--out", _path(out)), ("--device", device)):
        command += [option, value] if value is not None else []
    command += [word for key, value in (set or {}).items() for word in ("--set", f"{key}={_setting(value)}")]
    command += [*arguments, "--yes" if download else "--offline"]
    with _model(model, tokenizer) as name:
        command += ["--model", name] if name is not None else []
        started = _Started(command, progress)
        started.wait()
    return _outcome(started.code, started.last, _path(out) or _folder_named(started.printed))


def find_program(program: Optional[PathLike] = None) -> str:
    """The path of the program that `run` would start. Raises RunError where there is none."""
    named = program or os.environ.get("REPLICATE")
    if named:
        found = shutil.which(os.path.expanduser(os.fspath(named)))
        if found is None:
            where = "program=" if program else "$REPLICATE"
            raise RunError(f"there is no program that can be started ({named}): {where} is to name ./replicate of the sources or a built program")
        return os.path.abspath(found)
    for folder in (*Path(__file__).resolve().parents, Path.cwd(), *Path.cwd().parents):
        if (folder / "configs" / "claims").is_dir() and os.access(folder / "replicate", os.X_OK):
            return str(folder / "replicate")
    found = shutil.which("replicate")
    if found is None:
        raise RunError("the program was not found: name it with program= or $REPLICATE, such as ./replicate in a clone of the sources")
    return found


# ---- arguments --------------------------------------------------------------------------------------


def _only(only: Union[str, Iterable[str], None]) -> list[str]:
    if only is None:
        return ["--all"]
    if isinstance(only, str):
        return ["--only", only]
    names = list(only)
    if not names:
        raise RunError("only= is an empty list: name a claim, or leave it out to measure all")
    return ["--only", ",".join(names)]


def _path(path: Optional[PathLike]) -> Optional[str]:
    return None if path is None else os.path.expanduser(os.fspath(path))


def _setting(value: object) -> str:
    """As YAML, which JSON is a part of; a text as it is."""
    return value if isinstance(value, str) else json.dumps(value)


# ---- models -----------------------------------------------------------------------------------------


@contextlib.contextmanager
def _model(model: Any, tokenizer: Any) -> Iterator[Optional[str]]:
    """What --model is to say, for as long as it takes."""
    if hasattr(model, "save_pretrained") and hasattr(model, "config"):
        with tempfile.TemporaryDirectory(prefix="sinkrep-") as folder:
            yield str(_save(model, tokenizer, Path(folder)))
        return
    if tokenizer is not None:
        raise RunError("tokenizer= belongs to a live model: a model on disk has its tokenizer beside it")
    if isinstance(model, os.PathLike):
        yield os.path.abspath(os.path.expanduser(os.fspath(model)))  # or "smollm2" would be read as a name
    elif model == "":
        raise RunError("model= is an empty text: give a name or a path, or leave it out for the default model")
    elif model is None or isinstance(model, str):
        yield os.path.expanduser(model) if model else None
    else:
        raise RunError(f"this is no model ({type(model).__name__}): give a name, a path or a model of transformers")


def _save(model: Any, tokenizer: Any, folder: Path) -> Path:
    """Saves the model under its own name, which records and reports will show."""
    own_name = str(getattr(model.config, "_name_or_path", "") or getattr(model.config, "model_type", "") or "model")
    target = folder / (re.sub(r"[^\w.-]", "_", Path(own_name).name).lstrip(".") or "model")
    model.save_pretrained(str(target))
    if not list(target.glob("*.safetensors")):
        raise RunError(f"the model was saved without safetensors ({type(model).__name__}): update transformers to 4.35 or newer")
    if tokenizer is not None:
        tokenizer.save_pretrained(str(target))
    return target


# ---- the program ------------------------------------------------------------------------------------


class _Started:
    """The program at work, followed by a thread: so Ctrl-C finds the caller waiting, and nothing half done."""

    def __init__(self, command: list[str], progress: bool) -> None:
        self.code, self.printed, self.last = 0, "", ""
        self._progress = progress
        self._process: Optional[subprocess.Popen[str]] = None
        self._failure: Optional[Exception] = None
        self._begun, self._ended = threading.Event(), threading.Event()
        threading.Thread(target=self._work, args=(command,), daemon=True).start()

    def wait(self) -> None:
        """Until the program has ended; passes on every interrupt meanwhile, and raises KeyboardInterrupt at the end."""
        interrupted = False
        while not self._ended.is_set():
            try:
                self._ended.wait()
            except KeyboardInterrupt:
                interrupted = True
                self._interrupt()
        if interrupted:
            raise KeyboardInterrupt
        if self._failure is not None:
            raise self._failure

    def _work(self, command: list[str]) -> None:
        try:
            with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as printed:
                self._run(command, printed)
                printed.seek(0)
                self.printed = printed.read()
        except OSError as error:
            self._failure = RunError(f"the program cannot be started ({command[0]}): {error.strerror or error}")
        except Exception as error:  # pylint: disable=broad-exception-caught  # raised again where the caller waits
            self._failure = error
        finally:
            self._begun.set()
            self._ended.set()

    def _run(self, command: list[str], printed: IO[str]) -> None:
        # A session of its own: a terminal's Ctrl-C would reach the program too, and two of them end it at once.
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=printed, stderr=subprocess.PIPE, start_new_session=True,
                              encoding="utf-8", errors="replace") as process:
            self._process = process
            self._begun.set()
            for line in process.stderr or ():
                self._show(line)
                self.last = line.strip() or self.last
        self.code = process.returncode

    def _show(self, line: str) -> None:
        try:
            if self._progress:
                print(line, end="", file=sys.stderr, flush=True)
        except (OSError, ValueError):  # nothing reads them any more; the run goes on
            self._progress = False

    def _interrupt(self) -> None:
        self._begun.wait()
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGINT)


def _folder_named(printed: str) -> Optional[str]:
    """The folder of the report whose path the program prints at its end."""
    lines = [line for line in printed.splitlines() if line.endswith("report.html")]
    return str(Path(lines[-1]).parent) if lines else None


def _outcome(code: int, last: str, folder: Optional[str]) -> Run:
    if code < 0:
        raise RunError(f"the program was ended by signal {-code} ({_signal_name(-code)}); its last line: {last or 'none'}")
    if code not in (0, FAILED, BROKEN):
        raise RunError(last or f"the program ended with {code} and said nothing")
    try:
        if folder is None:
            raise RunError("the program named no report")
        done = read(folder)
    except RunError as error:
        raise RunError(f"the program ended with {code} and left no run that can be read: {last or error}") from error
    if code == BROKEN:
        errors = [name for name in done if done[name].verdict == "error"]
        warnings.warn(f"the program ended with {BROKEN}: " + (f"{', '.join(errors)} ended in an error" if errors else last), stacklevel=3)
    return done


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"
