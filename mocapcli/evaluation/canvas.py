"""A sheet to draw on, kept as PNG (Pillow) or SVG: rectangles, lines, dots and words are all a chart needs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable
from xml.sax.saxutils import escape

from PIL import Image, ImageDraw, ImageFont

Number = float | int  # both named: the checks of the tests take them apart
Place = tuple[Number, Number]
Anchor = Literal["start", "middle", "end"]
FINE = 2  # pixels of a PNG for every unit


@runtime_checkable
class Canvas(Protocol):
    """Units from the top left corner; colours as #rrggbb."""

    def rectangle(self, left: Number, top: Number, width: Number, height: Number, colour: str) -> None: ...

    def line(self, places: Sequence[Place], colour: str, thick: Number = 1.0) -> None: ...

    def dot(self, place: Place, radius: Number, colour: str) -> None: ...

    def words(
        self, place: Place, text: str, size: Number = 11, anchor: Anchor = "start", colour: str = "#222222"
    ) -> None:
        """`place` is on the base line."""

    def save(self, path: Path) -> None: ...


class SvgCanvas:
    """Elements one after the other."""

    def __init__(self, width: Number, height: Number) -> None:
        self.parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}"'
            f' height="{height:g}" font-family="DejaVu Sans, Verdana, sans-serif">'
        ]
        self.rectangle(0, 0, width, height, "#ffffff")

    def rectangle(self, left: Number, top: Number, width: Number, height: Number, colour: str) -> None:
        shape = f'x="{left:.2f}" y="{top:.2f}" width="{max(width, 0):.2f}" height="{max(height, 0):.2f}"'
        self.parts.append(f'<rect {shape} fill="{colour}"/>')

    def line(self, places: Sequence[Place], colour: str, thick: Number = 1.0) -> None:
        points = " ".join(f"{x:.2f},{y:.2f}" for x, y in places)
        self.parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="{thick:g}"/>')

    def dot(self, place: Place, radius: Number, colour: str) -> None:
        self.parts.append(f'<circle cx="{place[0]:.2f}" cy="{place[1]:.2f}" r="{radius:g}" fill="{colour}"/>')

    def words(
        self, place: Place, text: str, size: Number = 11, anchor: Anchor = "start", colour: str = "#222222"
    ) -> None:
        where = f'x="{place[0]:.2f}" y="{place[1]:.2f}" font-size="{size:g}" text-anchor="{anchor}" fill="{colour}"'
        self.parts.append(f"<text {where}>{escape(text)}</text>")

    def save(self, path: Path) -> None:
        path.write_text("\n".join([*self.parts, "</svg>\n"]), encoding="utf-8")


class PngCanvas:
    """Drawn at twice the units, so that words stay sharp."""

    def __init__(self, width: Number, height: Number) -> None:
        self.image = Image.new("RGB", (round(width * FINE), round(height * FINE)), "#ffffff")
        self.pen = ImageDraw.Draw(self.image)

    def rectangle(self, left: Number, top: Number, width: Number, height: Number, colour: str) -> None:
        if width > 0 and height > 0:
            self.pen.rectangle([left * FINE, top * FINE, (left + width) * FINE, (top + height) * FINE], fill=colour)

    def line(self, places: Sequence[Place], colour: str, thick: Number = 1.0) -> None:
        points = [(x * FINE, y * FINE) for x, y in places]
        self.pen.line(points, fill=colour, width=max(1, round(thick * FINE)), joint="curve")

    def dot(self, place: Place, radius: Number, colour: str) -> None:
        x, y, r = place[0] * FINE, place[1] * FINE, radius * FINE
        self.pen.ellipse([x - r, y - r, x + r, y + r], fill=colour)

    def words(
        self, place: Place, text: str, size: Number = 11, anchor: Anchor = "start", colour: str = "#222222"
    ) -> None:
        font = ImageFont.load_default(size * FINE)
        side = {"start": "ls", "middle": "ms", "end": "rs"}[anchor]
        self.pen.text((place[0] * FINE, place[1] * FINE), text, fill=colour, font=font, anchor=side)

    def save(self, path: Path) -> None:
        self.image.save(path)


def new_canvas(path: Path, width: Number, height: Number) -> Canvas:
    """By the file's extension."""
    return SvgCanvas(width, height) if path.suffix.lower() == ".svg" else PngCanvas(width, height)
