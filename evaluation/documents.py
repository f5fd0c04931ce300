"""`make documents`: fills the figures of README.md and docs/*.md from docs/measurements.

In a document, between markers that Markdown does not show:

    <!-- figures NAME -->            a table of all figures of a measurement
    <!-- figures NAME:key,key; OTHER:key -->    a table of some, of one measurement or of several
    <!-- plot NAME:key,key -->       a picture of them with their intervals
    <!-- /figures -->                ends a table, `<!-- /plot -->` a picture
    <!-- figure NAME:key -->0.976<!-- / -->   one value within a line

What stands between a pair of markers is written here and never by hand; a test compares.
"""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from xml.sax.saxutils import escape

from deployments.paths import ROOT
from evaluation.common.files import RESULTS
from evaluation.common.measurement import Figure, Result

BLOCK = re.compile(
    r"(<!-- (figures|plot) ([\w-][\w:;./, -]*?) -->\n)(.*?)(<!-- /\2 -->)", re.DOTALL
)
INLINE = re.compile(r"(<!-- figure ([\w-]+):([\w./-]+) -->)(.*?)(<!-- / -->)")
PLOTS = "plots"
LABELS, WIDTH, LINE = 430, 320, 22
"""Pixels of a plot: of the labels, of the axis, and of a line's height."""


def number(figure: Figure, value: float | None = None) -> str:
    """The value of a figure, or another one in its unit."""
    value = figure.value if value is None else value
    if figure.unit == "%":
        return f"{value:.1f} %"
    text = f"{value:,.0f}" if value == int(value) or abs(value) >= 1000 else f"{value:.3g}"
    return f"{text} {figure.unit}".strip()


def interval(figure: Figure) -> str:
    """The interval in brackets, or nothing where there is none."""
    if figure.low is None or figure.high is None:
        return ""
    ends = (number(figure, end) for end in (figure.low, figure.high))
    low, high = (end.removesuffix(figure.unit).strip() for end in ends)
    return f"({low} to {high})"


def chosen(result: Result, keys: str | None) -> list[Figure]:
    """The figures of these keys, separated by commas; all without keys.

    Raises:
        KeyError: the measurement has no such figure.
    """
    names = [key.strip() for key in keys.split(",")] if keys else list(result.figures)
    for name in names:
        if name not in result.figures:
            raise KeyError(f"{result.name} has no figure {name!r}")
    return [result.figures[name] for name in names]


def table(parts: Sequence[tuple[Result, str | None]]) -> str:
    """The figures of all parts as one Markdown table, and where they come from."""
    lines = ["| what | value (95 % interval) | n | goal |", "| --- | --- | --- | --- |"]
    for result, keys in parts:
        for figure in chosen(result, keys):
            cells = (
                figure.text,
                f"{number(figure)} {interval(figure)}".strip(),
                "" if figure.n is None else f"{figure.n:,}",
                figure.goal or "",
            )
            lines.append(f"| {' | '.join(cells)} |")
    origins = dict.fromkeys(_origin(result) for result, _ in parts)
    return "\n".join([*lines, "", *origins, ""])


def named(spec: str) -> Iterator[tuple[str, str | None]]:
    """The measurements and keys of a marker."""
    for part in spec.split(";"):
        name, _, keys = part.strip().partition(":")
        yield name, keys or None


def _origin(result: Result) -> str:
    state = f"commit {result.commit[:7]}{', changed' if result.dirty else ''}, {result.date}"
    if result.source == "README":
        return f"*From the README of {state}; no command wrote these figures.*"
    cpu = f"{result.machine.get('cpu')}, {result.machine.get('cores')} cores"
    return f"*`{result.command}`, {state}, {cpu}.*"


def plot(result: Result, keys: str | None) -> str:
    """The figures as SVG: a dot for each value, a line for its interval, one axis from 0."""
    found = chosen(result, keys)
    top = max(max(f.value, f.high or 0.0) for f in found) or 1.0
    top = 100.0 if found[0].unit == "%" else 1.0 if 0.5 < top <= 1 else top

    def x(value: float) -> str:
        return f"{LABELS + WIDTH * max(value, 0.0) / top:.1f}"

    body = []
    for place, figure in enumerate(found):
        y = LINE * place + LINE // 2
        body.append(f'<text x="4" y="{y + 4}">{escape(figure.text)}</text>')
        if figure.low is not None and figure.high is not None:
            ends = f'x1="{x(figure.low)}" x2="{x(figure.high)}" y1="{y}" y2="{y}"'
            body.append(f'<line {ends} stroke="#888" stroke-width="3"/>')
        body.append(f'<circle cx="{x(figure.value)}" cy="{y}" r="4" fill="#b22"/>')
        side = LABELS + WIDTH + 10
        body.append(f'<text x="{side}" y="{y + 4}">{escape(number(figure))}</text>')
    width, height = LABELS + WIDTH + 90, LINE * len(found)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
    head += 'font-family="sans-serif" font-size="12">'
    ground = '<rect width="100%" height="100%" fill="#fff"/>'
    return "\n".join([head, ground, *body, "</svg>", ""])


class Documents:
    """The documents of a repository and the measurements that they show."""

    def __init__(self, root: Path = ROOT, results: Path = RESULTS) -> None:
        self._root, self._results = root, results
        self.result = cache(self._read)

    def paths(self) -> Iterator[Path]:
        """README.md and the documents in docs."""
        yield from (self._root / "README.md", *sorted((self._root / "docs").glob("*.md")))

    def filled(self, text: str, document: Path) -> str:
        """The text with everything between markers as the measurements say.

        Raises:
            KeyError: a marker names a figure that its measurement lacks.
            FileNotFoundError: a marker names a measurement that has no file.
        """

        def block(found: re.Match[str]) -> str:
            opened, kind, spec, _, closed = found.groups()
            parts = [(self.result(name), keys) for name, keys in named(spec)]
            if kind == "figures":
                return opened + table(parts) + closed
            ((result, keys),) = parts
            link = self._plot_path(result, keys).relative_to(self._root)
            place = "/".join(link.parts[len(document.parent.relative_to(self._root).parts) :])
            return f"{opened}![{result.question}]({place})\n{closed}"

        def inline(found: re.Match[str]) -> str:
            opened, name, key, _, closed = found.groups()
            return opened + number(chosen(self.result(name), key)[0]) + closed

        return INLINE.sub(inline, BLOCK.sub(block, text))

    def plots(self, text: str) -> dict[Path, str]:
        """The pictures that a text shows, by path."""
        return {
            self._plot_path(self.result(name), keys): plot(self.result(name), keys)
            for _, kind, spec, *_ in BLOCK.findall(text)
            if kind == "plot"
            for name, keys in named(spec)
        }

    def differing(self) -> list[Path]:
        """The documents and plots that do not say what the measurements say."""
        wrong = []
        for path in self.paths():
            text = path.read_text(encoding="utf-8")
            if self.filled(text, path) != text:
                wrong.append(path)
            for place, svg in self.plots(text).items():
                if not place.is_file() or place.read_text(encoding="utf-8") != svg:
                    wrong.append(place)
        return wrong

    def fill(self) -> list[Path]:
        """Writes what differs, and returns its paths."""
        wrong = self.differing()
        for path in self.paths():
            text = path.read_text(encoding="utf-8")
            for place, svg in self.plots(text).items():
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_text(svg, encoding="utf-8")
            path.write_text(self.filled(text, path), encoding="utf-8")
        return wrong

    def _read(self, name: str) -> Result:
        path = self._results / f"{name}.json"
        return Result.model_validate_json(path.read_text(encoding="utf-8"))

    def _plot_path(self, result: Result, keys: str | None) -> Path:
        some = "-".join(re.split(r"[^\w]+", keys)) if keys else "all"
        return self._results / PLOTS / f"{result.name}-{some}.svg"


def main() -> None:
    for path in Documents().fill():
        print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
