"""A claim's panels with matplotlib, for figures of your own. Those of the reports are drawn by the program, with gnuplot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .errors import RunError, UnknownName
from .folder import Record

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .recorded import Claim

# Colour, dash and marker of curve after curve: the styles of configs/figures.yaml, for print and colour-blind eyes. The reports give
# them by what a curve shows, this by order.
STYLES = (("#0072B2", "-", "o"), ("#D55E00", "--", "s"), ("#009E73", ":", "^"), ("#CC79A7", "-.", "D"),
          ("#E69F00", (0, (7, 2)), "v"), ("#56B4E9", (0, (3, 1)), "x"), ("#6B6B6B", (0, (5, 1, 1, 1, 1, 1)), "+"))
WIDTH, HEIGHT = 5.5, 3.6  # inches, of a panel
FEWEST_SEEDS = 4  # for a band of a training claim: of fewer it would be wider than what it is about


def plot_panels(claim: Claim, panels: list[Record]) -> Figure:
    """A figure with these panels of the claim's record, two in a row."""
    try:
        import matplotlib
        from matplotlib import pyplot
    except ImportError as error:
        raise RunError("there is no matplotlib, which draws: pip install matplotlib") from error
    across = min(2, len(panels))
    down = -(-len(panels) // across)
    figure: Figure
    figure, axes = pyplot.subplots(down, across, figsize=(WIDTH * across, HEIGHT * down), squeeze=False)
    for axis, panel in zip(axes.flat, panels):
        _draw(axis, claim, panel)
    for axis in axes.flat[len(panels):]:
        axis.set_visible(False)
    figure.suptitle(f"{claim.name}: {claim.verdict}")
    figure.tight_layout()
    if "inline" in matplotlib.get_backend():
        pyplot.close(figure)  # or a notebook would show it twice: as an open figure, and as the value of the cell
    return figure


def _draw(axis: Any, claim: Claim, panel: Record) -> None:
    if panel.get("log_x"):
        axis.set_xscale("log")
    if panel.get("log_y"):
        axis.set_yscale("log")
    for number, curve in enumerate(panel["curves"]):
        _draw_curve(axis, claim, panel, curve, STYLES[number % len(STYLES)])
    for threshold in panel.get("thresholds", []):
        axis.axhline(threshold["value"], color="black", linewidth=0.8, linestyle=(0, (1, 2)), label=threshold.get("label"))
    axis.set(title=panel["title"], xlabel=panel.get("x", ""), ylabel=panel.get("y", ""))
    axis.title.set_size("medium")
    if axis.get_legend_handles_labels()[0]:
        axis.legend(fontsize="small")


def _draw_curve(axis: Any, claim: Claim, panel: Record, curve: Record, style: tuple[Any, ...]) -> None:
    """A curve that the record lacks, such as that of a text which is not installed, is left out."""
    try:
        table = claim.curve(curve["series"], curve.get("inputs") or None)
    except UnknownName:
        return
    x, (colour, dash, marker) = table.iloc[:, 0], style
    y = table["y"].where(table["y"] > 0) if panel.get("log_y") else table["y"]
    axis.plot(x, y, color=colour, linestyle=dash, marker=marker, markersize=3, label=curve.get("label") or curve["series"])
    if _has_band(claim, panel, table):
        axis.fill_between(x, table["low"], table["high"], color=colour, alpha=0.2, linewidth=0)


def _has_band(claim: Claim, panel: Record, table: Any) -> bool:
    """As in the reports: none from few seeds, and none that a logarithmic axis would cut, which would make others look narrow."""
    metrics = claim.metrics
    seeds = metrics.loc[metrics["low"].notna(), "n"]
    if claim.kind == "training" and (seeds < FEWEST_SEEDS).any():
        return False
    return bool(table["low"].notna().any()) and not (panel.get("log_y") and (table["low"] <= 0).any())
