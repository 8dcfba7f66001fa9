"""Curves as SVG, for documents: axes with units, a legend, colours that can be read on white and on black. Nothing but the standard library."""

import html
import math

WIDTH, HEIGHT = 720, 300
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 56, 46
# Told apart by shape as well as by colour.
LINES = ("", "6 4", "2 3")
STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #24292f }
  .title { font-weight: 600; font-size: 15px }
  .grid { stroke: #d0d7de; stroke-width: 1 }
  .line { fill: none; stroke-width: 2 }
  .line0 { stroke: #0550ae } .line1 { stroke: #bc4c00 } .line2 { stroke: #1a7f37 }
  .dot0 { fill: #0550ae } .dot1 { fill: #bc4c00 } .dot2 { fill: #1a7f37 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .grid { stroke: #3d444d }
    .line0 { stroke: #79c0ff } .line1 { stroke: #ffa657 } .line2 { stroke: #7ee787 }
    .dot0 { fill: #79c0ff } .dot1 { fill: #ffa657 } .dot2 { fill: #7ee787 }
  }
"""


def svg(title, x_label, y_label, lines):
    """A chart of `lines`: names with points (x, y). The y axis begins at 0, so that what looks half is half."""
    points = [point for drawn in lines.values() for point in drawn]
    x_ticks, y_ticks = ticks(max(x for x, _ in points)), ticks(max(y for _, y in points))
    wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def across(x):
        return LEFT + wide * x / x_ticks[-1]

    def up(y):
        return TOP + high * (1 - y / y_ticks[-1])

    said = html.escape(f"{title}: {y_label}, by {x_label}")
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{said}">', f"<style>{STYLE}</style>"]
    out.append(text(LEFT, 20, title, "title"))
    out.append(text(LEFT, 40, y_label))
    out.append(text(WIDTH - RIGHT, HEIGHT - 6, x_label, anchor="end"))
    for y in y_ticks:
        out.append(f'<line class="grid" x1="{LEFT}" y1="{up(y):.1f}" x2="{WIDTH - RIGHT}" y2="{up(y):.1f}"/>')
        out.append(text(LEFT - 8, up(y) + 4, number(y), anchor="end"))
    for x in x_ticks:
        out.append(f'<line class="grid" x1="{across(x):.1f}" y1="{TOP + high}" x2="{across(x):.1f}" y2="{TOP + high + 5}"/>')
        out.append(text(across(x), TOP + high + 20, number(x), anchor="middle"))
    legend = WIDTH - RIGHT
    for place, (name, drawn) in reversed(list(enumerate(lines.items()))):
        path = " ".join(f"{across(x):.1f},{up(y):.1f}" for x, y in sorted(drawn))
        out.append(f'<polyline class="line line{place}" stroke-dasharray="{LINES[place]}" points="{path}"/>')
        out += (f'<circle class="dot{place}" cx="{across(x):.1f}" cy="{up(y):.1f}" r="3"/>' for x, y in drawn)
        out.append(text(legend, 40, name, anchor="end"))
        legend -= 8 + 7 * len(name)
        out.append(f'<line class="line line{place}" stroke-dasharray="{LINES[place]}" x1="{legend - 28}" y1="36" x2="{legend - 4}" y2="36"/>')
        legend -= 44
    return "\n".join([*out, "</svg>", ""])


def text(x, y, words, kind="", anchor="start"):
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{html.escape(words)}</text>'


def ticks(largest):
    """From 0 to at least `largest` in four to eight round steps."""
    if largest <= 0:
        return [0, 1]
    size = 10 ** math.floor(math.log10(largest / 4))
    step = next(size * factor for factor in (1, 2, 2.5, 5, 10) if size * factor * 7 >= largest)
    return [step * count for count in range(math.ceil(largest / step - 1e-9) + 1)]


def number(value):
    return f"{value:,.0f}" if value == round(value) else f"{value:,.2f}".rstrip("0")
