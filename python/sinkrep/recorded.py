"""A run and its claims, as they were recorded."""

from __future__ import annotations

import collections
import copy
import html
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Optional, Union

import pandas as pd

from . import judging
from .errors import RunError, unknown
from .folder import Record, read_records, read_samples

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Columns of the tables.
METRIC = ["metric", "value", "low", "high", "n", "inputs"]
CURVE = ["curve", "inputs", "axis", "x", "y", "low", "high"]
SAMPLE = ["metric", "inputs", "unit", "value"]
OF_A_VERDICT = ["title", "kind", "verdict", "reason", "standing", "bearing", "known_verdict"]
VERDICT = [*OF_A_VERDICT, "metric", "value", "low", "high", "op", "threshold", "agree", "told", "seconds"]
IN_BRIEF = ["verdict", "metric", "value", "op", "threshold", "agree", "told"]


def read(folder: Union[str, os.PathLike[str]]) -> Run:
    """Reads a run's folder, such as results/NAME or results/reference/cpu-smollm2.

    Records of older editions are read as far as they go: what they do not have is missing in the tables.

    Raises RunError where the folder is missing or holds no records, and where a record is damaged.
    """
    path = Path(folder).expanduser()
    return Run(path, read_records(path))


class Map(NamedTuple):
    """A matrix that a claim recorded to be looked at, such as the attention of a layer."""

    name: str
    inputs: str  # label of the inputs
    title: str  # what rows and columns are
    where: dict[str, int]  # such as {"layer": 13, "target": 10}
    values: pd.DataFrame  # rows and columns counted from 0, such as queries by keys


class Run(Mapping[str, "Claim"]):
    """What one run recorded: a mapping from the claims' names to the claims, in the order of the report.

    Tables are made anew each time, so you may change them.
    """

    def __init__(self, path: Path, records: dict[str, Record]) -> None:
        self.path = path
        self._records = {record["claim"]: record for record in sorted(records.values(), key=judging.order)}

    def __getitem__(self, claim: str) -> Claim:
        """The claim of this name. Raises UnknownName, a KeyError, with near names."""
        if claim not in self._records:
            raise unknown("claim", claim, self._records)
        return Claim(self._records[claim], self.path / claim)

    def __iter__(self) -> Iterator[str]:
        return iter(self._records)

    def __len__(self) -> int:
        return len(self._records)

    @property
    def claims(self) -> list[str]:
        """The names of the claims, in the order of the report."""
        return list(self._records)

    def record(self, claim: str) -> Record:
        """All that a claim recorded, as in its record.json (docs/record.schema.json); a copy. Raises UnknownName."""
        return self[claim].record

    @property
    def model(self) -> Record:
        """The model that was measured: name, sha256, architecture, parameters (number of weights), layers, width, ...

        Of a run that only trained, the shape that was trained.
        """
        return dict(self._measured().get("model", {}))

    @property
    def verdicts(self) -> pd.DataFrame:
        """A row per claim, with the claim as index.

        - title, kind, verdict, reason, standing, bearing, known_verdict: as recorded (docs/verdicts.md)
        - metric, value, low, high: the number that decided, in the metric's own unit (docs/measures.md), with its 95% interval; of
          a pass that of the first criterion. Missing where no number decided
        - op, threshold: what is asked of it; "within" of a control, whose absolute value must be below the threshold
        - agree, told: how many variations agree with the verdict, of how many that can be told
        - seconds: what the claim took
        """
        rows = [_verdict_row(record) for record in self._records.values()]
        table = pd.DataFrame(rows, columns=VERDICT, index=pd.Index(self.claims, name="claim"))
        numbers = ["value", "low", "high", "threshold", "seconds"]
        return table.astype({**dict.fromkeys(numbers, "float64"), "agree": "Int64", "told": "Int64"})

    @property
    def metrics(self) -> pd.DataFrame:
        """All metrics of all claims: the columns of Claim.metrics after one for the claim."""
        rows = [{"claim": name, **row} for name, record in self._records.items() for row in _metric_rows(record)]
        return _with_where(rows, ["claim", *METRIC])

    @property
    def curves(self) -> pd.DataFrame:
        """All points of all curves: claim, curve, inputs, axis (what x counts), x, y, low, high (95% interval)."""
        rows = [[name, *row] for name, record in self._records.items() for row in _curve_rows(record)]
        return pd.DataFrame(rows, columns=["claim", *CURVE]).astype(dict.fromkeys(["x", "y", "low", "high"], "float64"))

    def __repr__(self) -> str:
        return f"<Run {str(self.path)!r}: {self._in_words()}>"

    def _repr_html_(self) -> str:
        table = self.verdicts[IN_BRIEF].to_html(float_format="{:.4g}".format, na_rep="")
        return f"<p><b>{html.escape(str(self.path))}</b>: {html.escape(self._in_words())}</p>{table}"

    def _in_words(self) -> str:
        counts = collections.Counter(record["verdict"] for record in self._records.values())
        verdicts = ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common())
        model, profile = self.model.get("name", "unknown model"), self._measured().get("profile", "unknown")
        return f"{model}, profile {profile}, {len(self)} claim{'s' if len(self) > 1 else ''}: {verdicts}"

    def _measured(self) -> Record:
        """A record of the model itself where there is one: those of training claims name what was trained."""
        records = list(self._records.values())
        return next((record for record in records if record.get("kind") != "training"), records[0])


class Claim:
    """What one claim of a run recorded."""

    def __init__(self, record: Record, folder: Path) -> None:
        self._record = record
        self.folder = folder

    @property
    def name(self) -> str:
        return str(self._record["claim"])

    @property
    def kind(self) -> str:
        """mechanism (looks only), intervention (changes something) or training (compares models trained for it)."""
        return str(self._record.get("kind", ""))

    @property
    def title(self) -> str:
        """The claim in one line."""
        return str(self._record.get("title", self.name))

    @property
    def verdict(self) -> str:
        """pass, fail, inconclusive, not applicable, not run, descriptive or error; in records of the first edition also skipped."""
        return str(self._record["verdict"])

    @property
    def reason(self) -> str:
        """What decided the verdict, with the numbers; of an error, its message."""
        return str(self._record.get("reason", ""))

    @property
    def record(self) -> Record:
        """All that the claim recorded, as in its record.json (docs/record.schema.json); a copy."""
        return copy.deepcopy(self._record)

    @property
    def metrics(self) -> pd.DataFrame:
        """A row per number: metric, value, low and high (95% interval; missing where none was computed), n (units of sampling: sequences
        or seeds; 0 without sampling), inputs, and a column per place such as layer, head or spike, missing where it does not apply.

        Values are in the metric's own unit (docs/measures.md). Where several rows have one name, the first one is judged, and of a claim
        with stages the first one at the judged stage's spike.
        """
        return _with_where(list(_metric_rows(self._record)), METRIC)

    @property
    def curves(self) -> list[tuple[str, str]]:
        """The curves, as (name, inputs)."""
        return [(series["name"], series.get("inputs", "")) for series in self._record.get("series", [])]

    def curve(self, name: str, inputs: Optional[str] = None) -> pd.DataFrame:
        """One curve: a column named by what x counts (layer, position, ...), then y, low and high (95% interval; NaN without one).

        `inputs` tells curves of one name apart, such as "random"; without it the first one is given.

        Raises UnknownName, a KeyError, with near names.
        """
        named = [series for series in self._record.get("series", []) if series["name"] == name]
        if not named:
            raise unknown(f"curve of {self.name}", name, (known for known, _ in self.curves))
        chosen = [series for series in named if inputs is None or series.get("inputs", "") == inputs]
        if not chosen:
            raise unknown(f"inputs of the curve {name}", inputs, (series.get("inputs", "") for series in named))
        return _curve_table(chosen[0])

    def samples(self) -> pd.DataFrame:
        """The values that metrics are means of, a row per unit: metric, inputs, a column per place (layer, spike, ...), unit (a sequence,
        a seed or a block of sequences, counted from 0) and value.

        Raises RunError where the run kept none: recorded runs keep the samples of what is judged alone.
        """
        file = self.folder / "samples.csv"
        if not file.exists():
            raise RunError(f"the run kept no samples of this claim ({file}): measure it again; numbers without sampling have none")
        rows = [{**row["where"], **row} for row in read_samples(file)]
        table = _with_where([{key: value for key, value in row.items() if key != "where"} for row in rows], SAMPLE)
        return table[[*SAMPLE[:2], *table.columns[len(SAMPLE):], *SAMPLE[2:]]]

    @property
    def maps(self) -> list[Map]:
        """The matrices that the claim recorded, such as attention before and after an intervention."""
        return [Map(one["name"], one.get("inputs", ""), one.get("title", ""), dict(one.get("where", {})),
                    pd.DataFrame(one["values"], dtype="float64")) for one in self._record.get("maps", [])]

    @property
    def panels(self) -> list[str]:
        """The titles of the panels of the claim's figure; plot(panel=1) draws the first."""
        return [panel["title"] for panel in self._record.get("panels", [])]

    def plot(self, panel: Optional[int] = None) -> Figure:
        """Draws the claim's panels with matplotlib, or one of them, counted from 1. Bands are 95% intervals.

        Raises RunError without matplotlib and where the claim has no panels, UnknownName where it has none of this number.
        """
        from .plotting import plot_panels

        panels = self._record.get("panels", [])
        if not panels:
            raise RunError(f"{self.name} has no panels ({self.folder}): draw what you need from its metrics and curves")
        if panel is not None and panel not in range(1, len(panels) + 1):
            raise unknown(f"panel of {self.name}", panel, (f"{number}: {title}" for number, title in enumerate(self.panels, 1)))
        return plot_panels(self, panels if panel is None else [panels[panel - 1]])

    def __repr__(self) -> str:
        return f"<Claim {self.name}: {self.verdict}" + (f", {self.reason}>" if self.reason else ">")

    def _repr_html_(self) -> str:
        verdict = f"<b>{html.escape(self.name)}</b>: {html.escape(self.title)}. <b>{html.escape(self.verdict)}</b>"
        return f"<p>{verdict}{': ' if self.reason else ''}{html.escape(self.reason)}</p>"


def _verdict_row(record: Record) -> dict[str, Any]:
    agree, told = judging.agreement(record)
    row = {**{key: record.get(key) for key in OF_A_VERDICT}, "agree": agree, "told": told, "seconds": record.get("seconds")}
    found = judging.decider(record)
    if found:
        row.update({key: found.metric.get(key) for key in ("value", "low", "high")})
        row.update(metric=found.metric["name"], op=found.op, threshold=found.threshold)
    return row


def _metric_rows(record: Record) -> Iterator[dict[str, Any]]:
    for metric in record.get("metrics", []):
        yield {**metric.get("where", {}), "metric": metric["name"], **{key: metric.get(key) for key in METRIC[1:]}}


def _curve_rows(record: Record) -> Iterator[list[Any]]:
    for series in record.get("series", []):
        low, high = _bound(series, "low"), _bound(series, "high")
        for x, y, below, above in zip(series["x"], series["y"], low, high):
            yield [series["name"], series.get("inputs", ""), series["axis"], x, y, below, above]


def _bound(series: Record, key: str) -> list[Optional[float]]:
    return series.get(key) or [None] * len(series["x"])


def _curve_table(series: Record) -> pd.DataFrame:
    x = pd.Series(series["x"], dtype="float64")
    columns = {key: pd.Series(values, dtype="float64")
               for key, values in (("y", series["y"]), ("low", _bound(series, "low")), ("high", _bound(series, "high")))}
    whole = bool((x % 1 == 0).all())  # layers, positions: 3 and not 3.0
    return pd.DataFrame({series["axis"]: x.astype("int64") if whole else x, **columns})


def _with_where(rows: list[dict[str, Any]], columns: list[str]) -> pd.DataFrame:
    """A table of these columns and, after them, one of whole numbers for each further key, which is a place."""
    places = list(dict.fromkeys(key for row in rows for key in row if key not in columns))
    table = pd.DataFrame(rows, columns=[*columns, *places])
    numbers = {key: "float64" for key in ("value", "low", "high") if key in columns}
    return table.astype({**numbers, **dict.fromkeys(places, "Int64")})
