"""A plot of features as files: a PNG, or an HTML page that needs nothing else."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from pipelines.catalogue.entries import Entry
from pipelines.catalogue.series import Shown
from pipelines.catalogue.summary import HEADINGS, summaries
from pipelines.catalogue.text import facts
from pipelines.errors import ConfigError
from pipelines.figures.feature_plot import feature_plot, png
from pipelines.figures.picture import Picture
from pipelines.report.view import STYLE, image, second
from pipelines.report.write import environment, write_whole

SUFFIXES = (".png", ".html")


def said(shown: Shown) -> list[str]:
    """What must be known to read the values."""
    bars, history, key = shown.bars, shown.history, shown.key
    begin, end = second(int(bars["start"][0])), second(int(bars["end"][-1]))
    before = f"the engine took in the {history:,} bars before" if history else "the engine began with the first of them"
    sentences = [
        f"{len(bars):,} bars of {key.instrument} ({key.venue}, {key.interval}) from {begin} to {end}; {before}."
    ]
    if shown.panel:
        sentences.append(f"The panel is {', '.join((key.instrument, *shown.panel))}.")
    fitted = [one.name for one in shown.feature_set.features if one.fitted]
    if fitted:
        until = second(int(bars["end"][shown.fitted_bars - 1]))
        sentences.append(
            f"Fitted on the first {shown.fitted_bars:,} of these bars, until {until}, shaded in the figure: "
            f"{', '.join(fitted)}. In that part they know their own future; only what comes after is like live."
        )
    return sentences


def page(shown: Shown, entries: list[Entry], figure: Figure) -> str:
    """The page as HTML."""
    names = ", ".join(shown.feature_set.names)
    caption = (
        "The close and the features, each value at the time from which it is known. "
        + f"Right: how often each was seen{', outside what is shaded' if shown.fitted_bars else ''}."
    )
    return (
        environment()
        .get_template("feature_plot.html")
        .render(
            title=f"{names} on {shown.key.instrument}",
            facts=" ".join(said(shown)),
            style=STYLE.read_text(encoding="utf-8"),
            figure=image(Picture("features", caption, figure)),
            headings=HEADINGS,
            summaries=[one.row for one in summaries(shown)],
            features=[(one.feature.name, facts(one)[1:]) for one in entries],
        )
    )


def targets(out: Path) -> list[Path]:
    """The files to write: one, or a PNG and a page where the name says neither.

    Raises
    ------
    ConfigError
        If the name ends as another kind of file.

    Examples
    --------
    >>> [str(one) for one in targets(Path("rsi_14-BTCUSDT"))]
    ['rsi_14-BTCUSDT.png', 'rsi_14-BTCUSDT.html']
    """
    if out.suffix in SUFFIXES:
        return [out]
    if out.suffix:
        raise ConfigError(f"{out} cannot be written: a plot is a .png or an .html file, or both without an ending")
    return [out.with_suffix(suffix) for suffix in SUFFIXES]


def write_plot(shown: Shown, entries: list[Entry], paths: list[Path]) -> None:
    """Draw, and write each file whole or not at all."""
    figure = feature_plot(shown)
    contents = [png(figure) if path.suffix == ".png" else page(shown, entries, figure).encode() for path in paths]
    for path, content in zip(paths, contents, strict=True):
        write_whole(path, content)
