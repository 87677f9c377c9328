"""Line plots as SVG, for docs/performance.md."""

import math
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 640, 360
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 40, 50
COLOURS = ["#1f5fa8", "#c0392b", "#2e8b57", "#7d3c98"]


def _ticks(low, high, logarithmic):
    if logarithmic:
        first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
        return [10.0 ** e for e in range(first, last + 1)]
    step = 10 ** math.floor(math.log10(high or 1))
    if high / step < 3:
        step /= 2
    if high / step > 6:
        step *= 2
    return [step * i for i in range(int(high / step) + 2)]


def _label(value):
    for limit, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= limit:
            return f"{value / limit:g}{suffix}"
    return f"{value:g}"


def line_plot(title, x_label, y_label, series, log_x=False, log_y=False):
    """series: name → [(x, y), …]; points are marked. Returns the SVG's text."""
    points = [p for values in series.values() for p in values]
    xs = _ticks(min(x for x, _ in points), max(x for x, _ in points), log_x)
    ys = _ticks(min(y for _, y in points), max(y for _, y in points), log_y)

    def scale(value, ticks, logarithmic, begin, end):
        low, high = ticks[0], ticks[-1]
        if logarithmic:
            value, low, high = math.log10(value), math.log10(low), math.log10(high)
        return begin + (value - low) / ((high - low) or 1) * (end - begin)

    def px(x):
        return scale(x, xs, log_x, LEFT, WIDTH - RIGHT)

    def py(y):
        return scale(y, ys, log_y, HEIGHT - BOTTOM, TOP)

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
           f'width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" font-size="12">',
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
           f'<text x="{LEFT}" y="20" font-size="14" font-weight="bold">{escape(title)}</text>']
    for x in xs:
        out.append(f'<line x1="{px(x):.1f}" y1="{TOP}" x2="{px(x):.1f}" y2="{HEIGHT - BOTTOM}" '
                   f'stroke="#e4e4e4"/><text x="{px(x):.1f}" y="{HEIGHT - BOTTOM + 16}" '
                   f'text-anchor="middle">{_label(x)}</text>')
    for y in ys:
        out.append(f'<line x1="{LEFT}" y1="{py(y):.1f}" x2="{WIDTH - RIGHT}" y2="{py(y):.1f}" '
                   f'stroke="#e4e4e4"/><text x="{LEFT - 6}" y="{py(y) + 4:.1f}" '
                   f'text-anchor="end">{_label(y)}</text>')
    for i, (name, values) in enumerate(series.items()):
        colour = COLOURS[i % len(COLOURS)]
        path = " ".join(f"{px(x):.1f},{py(y):.1f}" for x, y in values)
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out += [f'<circle cx="{px(x):.1f}" cy="{py(y):.1f}" r="3" fill="{colour}"/>'
                for x, y in values]
        out.append(f'<text x="{WIDTH - RIGHT - 8}" y="{TOP + 14 + 16 * i}" text-anchor="end" '
                   f'fill="{colour}">{escape(name)}</text>')
    out.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 12}" '
               f'text-anchor="middle">{escape(x_label)}</text>')
    out.append(f'<text transform="translate(16 {(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" '
               f'text-anchor="middle">{escape(y_label)}</text></svg>')
    return "\n".join(out) + "\n"
