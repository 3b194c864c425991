# SPDX-License-Identifier: Apache-2.0
"""The table and the chart of `versus`."""

import math
from xml.sax.saxutils import escape

# Bars in the order of the subjects, for light and for dark backgrounds.
COLOURS = {
    "aya-pool/2": ("#b4451f", "#ff8f66"),
    "aya-pool/1": ("#d98662", "#d47a57"),
    "aya-loop": ("#e8b9a2", "#9e604a"),
    "asyncio": ("#2b6390", "#6cb2e8"),
    "uvloop": ("#6f9cc0", "#4481ae"),
    "asio": ("#6b7a3a", "#a9bd62"),
}
BASE = "aya-pool/2"  # what the ratios compare with
FLOOR = 30


def number(x):
    """Three figures, or all digits before the point."""
    if x is None:
        return "-"
    return f"{x:,.0f}" if x >= 100 else f"{x:.3g}"


def print_table(columns, lines):
    widths = [max(len(columns[i]), *(len(line[i]) for line in lines)) for i in range(len(columns))]
    for line in [columns, ["-" * w for w in widths], *lines]:
        cells = [line[0].ljust(widths[0])] + [cell.rjust(w) for cell, w in zip(line[1:], widths[1:])]
        print("| " + " | ".join(cells) + " |")


def print_report(heading, workloads, titles, cells):
    for line in heading:
        print(line)

    def ns(workload, title):
        row = cells.get((workload, title))
        return row and row["ns_per_op"]

    def ratio(workload, title, base=BASE):
        above, below = ns(workload, title), ns(workload, base)
        return above / below if above and below else None

    def times(x):
        return "-" if x is None else f"{number(x)}x"

    print("\nns per operation (timers: CPU time)\n")
    print_table(["workload", *titles], [[w, *(number(ns(w, t)) for t in titles)] for w in workloads])

    others = [t for t in titles if t != BASE]
    single = ["asio"] if "asio" in titles else []
    print(f"\ntimes the time of {BASE}; last, of one thread against one thread\n")
    print_table(["workload", *others, *(f"{t} : aya-loop" for t in single)],
                [[w, *(times(ratio(w, t)) for t in others), *(times(ratio(w, t, "aya-loop")) for t in single)]
                 for w in workloads])

    gains = {w: ratio(w, "asyncio") for w in workloads if ratio(w, "asyncio")}
    if gains:
        short = [f"{w} {times(x)}" for w, x in gains.items() if x < FLOOR]
        print(f"\n{BASE} is at least {FLOOR} times as fast as asyncio"
              + (", except: " + ", ".join(short) if short else " in every workload of this run"))
    if ("timers", BASE) in cells:
        walls = {t: cells["timers", t]["wall_ns_per_op"] for t in titles if ("timers", t) in cells}
        print("\ntimers, wall ns per sleep: " + ", ".join(f"{t} {number(ns)}" for t, ns in walls.items()))

    def memory(workload, title):
        row = cells.get((workload, title))
        return f"{row['peak_rss_kb']:,}" if row else "-"

    print("\npeak resident memory, KiB\n")
    print_table(["workload", *titles], [[w, *(memory(w, t) for t in titles)] for w in workloads])
    spreads = [((r["ns_per_op_max"] - r["ns_per_op_min"]) / r["ns_per_op"], *key) for key, r in cells.items()]
    if spreads:
        widest, workload, title = max(spreads)
        print(f"\nwidest spread of the rounds: {widest:.0%} of the median ({workload}, {title})")


def write_svg(path, heading, workloads, titles, cells):
    """Horizontal bars on a logarithmic axis, one group a workload."""
    values = [row["ns_per_op"] for row in cells.values()]
    if not values:
        return
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    left, bar, gap, top, width = 130, 11, 12, 96, 900
    plot = width - left - 70
    group = bar * len(titles) + gap
    bottom = top + group * len(workloads)
    height = bottom + 40

    def x(value):
        return left + plot * (math.log10(value) - low) / max(1, high - low)

    def rules(index):
        return " ".join(f".s{i} {{ fill: {COLOURS[t][index]} }}" for i, t in enumerate(titles))

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"',
        f' width="{width}" height="{height}" role="img">',
        "<title>aya and its peers: nanoseconds per operation, logarithmic; shorter is better</title>",
        "<style>",
        "text { font: 12px system-ui, sans-serif; fill: #222 } .small { font-size: 10px; fill: #555 }",
        ".head { font-size: 15px; font-weight: 600 } .page { fill: #fff }",
        ".grid { stroke: #ccc; stroke-width: 1 }",
        rules(0),
        "@media (prefers-color-scheme: dark) {",
        "text { fill: #e6e6e6 } .small { fill: #aaa } .grid { stroke: #444 } .page { fill: #16181b }",
        rules(1),
        "}",
        "</style>",
        f'<rect class="page" width="{width}" height="{height}"/>',
        '<text class="head" x="16" y="26">Nanoseconds per operation, logarithmic: shorter is better</text>',
    ]
    for i, line in enumerate(heading[:2]):
        out.append(f'<text class="small" x="16" y="{44 + 14 * i}">{escape(line)}</text>')
    across = left
    for i, title in enumerate(titles):
        out.append(f'<rect class="s{i}" x="{across}" y="70" width="11" height="11" rx="2"/>')
        out.append(f'<text x="{across + 16}" y="80">{escape(title)}</text>')
        across += 34 + 8 * len(title)
    for power in range(low, high + 1):
        at = x(10**power)
        out.append(f'<line class="grid" x1="{at:.1f}" y1="{top - 6}" x2="{at:.1f}" y2="{bottom}"/>')
        out.append(f'<text class="small" x="{at:.1f}" y="{bottom + 16}" text-anchor="middle">'
                   f'{10**power:,}</text>')
    out.append(f'<text class="small" x="{left}" y="{bottom + 32}">'
               "ns (timers: CPU time; gathers: the whole gather)</text>")
    for row, workload in enumerate(workloads):
        y = top + group * row
        out.append(f'<text x="{left - 10}" y="{y + bar * len(titles) / 2 + 4:.1f}" text-anchor="end">'
                   f'{escape(workload)}</text>')
        for i, title in enumerate(titles):
            cell = cells.get((workload, title))
            if not cell:
                continue
            length = max(1.0, x(cell["ns_per_op"]) - left)
            out.append(f'<rect class="s{i}" x="{left}" y="{y + bar * i}" '
                       f'width="{length:.1f}" height="{bar - 2}" rx="1.5"/>')
            out.append(f'<text class="small" x="{left + length + 4:.1f}" y="{y + bar * i + bar - 3}">'
                       f'{number(cell["ns_per_op"])}</text>')
    out.append("</svg>")
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(out) + "\n")
