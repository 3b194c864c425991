# SPDX-License-Identifier: Apache-2.0
"""The tables and the chart of `versus`. `cells` has the rows by workload and title of the subject."""

import math
from xml.sax.saxutils import escape

import versus_rows as table

# Bars in the order of the subjects, for light and for dark backgrounds.
COLOURS = {
    "aya-pool/2": ("#b4451f", "#ff8f66"),
    "aya-pool/1": ("#d98662", "#d47a57"),
    "aya-loop": ("#e8b9a2", "#9e604a"),
    "tokio/2": ("#4a3a8c", "#a493f0"),
    "tokio/1": ("#7a6cb4", "#8172c4"),
    "tokio-ct": ("#aaa0d0", "#5d529a"),
    "go/2": ("#1f7a72", "#4fd0c4"),
    "go/1": ("#6fb0aa", "#3a8f87"),
    "tbb/2": ("#a8326e", "#f07ab4"),
    "tbb/1": ("#d083a8", "#a8557e"),
    "openmp/2": ("#8a6d1f", "#d9b654"),
    "openmp/1": ("#c0aa72", "#8f7838"),
    "asyncio": ("#2b6390", "#6cb2e8"),
    "uvloop": ("#6f9cc0", "#4481ae"),
    "asio": ("#6b7a3a", "#a9bd62"),
}


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


def best_of(row, cells, suffix=""):
    """The peer that did best, as its figure and its title; nothing when none was measured."""
    found = [(cells[p][row.measure + suffix], p[1]) for p in row.peers if row.measure + suffix in cells.get(p, {})]
    return min(found, default=None)


def verdict(row, value):
    if value <= row.goal:
        return "reached"
    return "missed" if value <= row.most and row.limit else "MISSED"


def ratio_line(row, cells):
    """A line of the table of goals, or nothing when one side was not measured."""
    aya = cells.get(row.aya, {})
    if row.measure not in aya:
        return None
    name = row.aya[0] + (" p99" if row.measure == "p99_ns" else "")
    goal = f"{row.goal:g}" + (f" ({row.limit:g})" if row.limit else "")
    if row.absolute:
        value = aya[row.measure]
        return [row.family, name, row.aya[1], "-", number(value), "-", "-", "-", goal, verdict(row, value)]
    best = best_of(row, cells)
    if best is None:
        return None
    least = best_of(row, cells, "_min")
    value = aya[row.measure] / best[0]
    of_least = aya[row.measure + "_min"] / least[0]
    peer = best[1] if row.family != "growth" else row.peers[0][0]
    return [row.family, name, row.aya[1], peer, number(aya[row.measure]), number(best[0]), f"{value:.2f}" if value >= 0.1 else f"{value:.3f}",
            f"{of_least:.2f}" if of_least >= 0.1 else f"{of_least:.3f}", goal, verdict(row, value)]


def print_ratios(cells):
    lines = [line for line in (ratio_line(row, cells) for row in table.rows()) if line]
    if not lines:
        return
    print("\nratios aya / best peer of the row: of the medians, and of the least; the goal (in brackets: what no row may exceed)\n")
    print_table(["family", "workload", "aya", "against", "aya's", "peer's", "ratio", "of least", "goal", "result"], lines)
    missed = sum(line[-1] != "reached" for line in lines)
    print(f"\n{len(lines) - missed} of {len(lines)} goals reached")


def in_order(cells):
    """The workloads and the titles there are, in the order of the tables."""
    workloads = list(dict.fromkeys(w for w, _ in cells))
    there = dict.fromkeys(t for _, t in cells)
    return workloads, [t for t in COLOURS if t in there] + [t for t in there if t not in COLOURS]


def print_values(title, cells, measure):
    chosen = {key: row for key, row in cells.items() if measure in row}
    workloads, titles = in_order(chosen)
    if not chosen:
        return
    print(f"\n{title}\n")
    print_table(["workload", *titles],
                [[w, *(number(chosen.get((w, t), {}).get(measure)) for t in titles)] for w in workloads])


def print_report(heading, cells):
    for line in heading:
        print(line)
    print_ratios(cells)
    print_values("nanoseconds an operation (sleeps: CPU time; wake_up: the median)", cells, "ns_per_op")
    print_values("the least of the rounds", cells, "ns_per_op_min")
    print_values("CPU nanoseconds an operation, all threads", cells, "cpu_ns_per_op")
    print_values("wake_up, 99th percentile, nanoseconds", cells, "p99_ns")
    print_values("bytes a task", {k: r for k, r in cells.items() if k[0].startswith("asleep")}, "bytes_per_op")
    print_values("peak resident memory, KiB", cells, "peak_rss_kb")
    spreads = [((r["ns_per_op_max"] - r["ns_per_op_min"]) / r["ns_per_op"], *key) for key, r in cells.items() if r["ns_per_op"]]
    if spreads:
        widest, workload, title = max(spreads)
        print(f"\nwidest spread of the rounds: {widest:.0%} of the median ({workload}, {title})")


def write_svg(path, heading, cells):
    """Horizontal bars on a logarithmic axis, one group a workload."""
    shown = {key: row for key, row in cells.items() if key[1] in COLOURS and "@" not in key[0] and row["ns_per_op"] > 0}
    if not shown:
        return
    workloads, titles = in_order(shown)
    values = [row["ns_per_op"] for row in shown.values()]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    left, bar, gap, top, width = 130, 11, 12, 96, 1240
    plot = width - left - 70
    groups = {w: [t for t in titles if (w, t) in shown] for w in workloads}
    bottom = top + sum(bar * len(g) + gap for g in groups.values())
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
               "ns (sleeps: CPU time; gathers: the whole gather; trees: one task)</text>")
    y = top
    for workload, group in groups.items():
        out.append(f'<text x="{left - 10}" y="{y + bar * len(group) / 2 + 4:.1f}" text-anchor="end">'
                   f'{escape(workload)}</text>')
        for title in group:
            value = shown[workload, title]["ns_per_op"]
            length = max(1.0, x(value) - left)
            out.append(f'<rect class="s{titles.index(title)}" x="{left}" y="{y}" '
                       f'width="{length:.1f}" height="{bar - 2}" rx="1.5"/>')
            out.append(f'<text class="small" x="{left + length + 4:.1f}" y="{y + bar - 3}">{number(value)}</text>')
            y += bar
        y += gap
    out.append("</svg>")
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(out) + "\n")
