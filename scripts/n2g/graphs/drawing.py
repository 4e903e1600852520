"""Pictures of neuron graphs: graph -> DOT -> layout by Graphviz -> a small SVG.

The picture reads as text does: context on the left, the activating tokens on the right. Graphviz only places
the nodes; the SVG is written here, so that it is small, the same from every Graphviz, and styled by classes
that the atlas and the file share. It shows the graph that predicts: one box per node, none merged.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from xml.sax.saxutils import escape

import graphviz

from n2g.graphs.colours import BLUES, REDS, STRONG, graph_style, level
from n2g.graphs.drawing_program import find_program
from n2g.graphs.pattern_paths import strongest_paths
from n2g.graphs.token_display import elide, visible, width

CLASS_LINES = 8
DASHED = ("wildcard", "gap", "background")
LONGEST = 80
COLUMN, LINE, PADDING = 7.3, 15.0, 16.0


def to_dot(graph: Mapping, vocabulary: Mapping[int, str], name: str) -> str:
    """The graph in the DOT language.

    Args:
        graph: a neuron graph in the form of `NeuronGraph.to_dict()`.
        vocabulary: text of each token id.
        name: the graph's name, such as "L3.N42".

    Returns:
        DOT with one node `n{id}` for each node but the root. Any Graphviz draws it; `layout` places it.
    """
    strength = activations(graph)
    dot = graphviz.Digraph(
        name,
        graph_attr={"rankdir": "RL", "nodesep": "0.1", "ranksep": "0.35", "ordering": "out"}
        | {"bgcolor": "transparent"},
        node_attr={"shape": "box", "fixedsize": "true", "style": "filled", "fontname": "Courier"}
        | {"fontsize": "12", "color": "#555555"},
        edge_attr={"dir": "back", "arrowsize": "0.5", "color": "#777777"},
    )
    for node in reversed(_in_order(graph)):  # with rankdir=RL the first node is placed lowest
        if node["parent"] is None:
            continue
        faint = is_background(node, graph, strength)
        lines = labels(node, vocabulary, faint)
        step = _step(node, graph, strength)
        active = node["parent"] == 0
        attributes = {
            "width": f"{_width(lines) / 72:.3f}",
            "height": f"{_height(lines) / 72:.3f}",
            "fillcolor": ["#ffffff", *(REDS if active else BLUES)][step],
        }
        if step >= STRONG:
            attributes["fontcolor"] = "#ffffff"
        if "end" in node:
            attributes["peripheries"] = "2"
        if faint or node["kind"] in ("wildcard", "gap"):
            attributes["style"] = "filled,dashed"
        elif not active:
            attributes["style"] = "filled,rounded"
        label = "\\n".join(map(graphviz.escape, lines))
        dot.node(f"n{node['id']}", graphviz.nohtml(label), **attributes)
        if not active:
            dot.edge(f"n{node['parent']}", f"n{node['id']}")
    return dot.source


def _in_order(graph: Mapping) -> list[Mapping]:
    """The nodes, parents first: those of the first pattern before others, as `strongest_paths` orders patterns; what
    is in no pattern that fires last."""
    first: dict[int, int] = {}
    for number, path in enumerate(strongest_paths(graph)):
        for node in path:
            first.setdefault(node["id"], number)
    children: dict[int, list[Mapping]] = {}
    for node in graph["nodes"]:
        if node["parent"] is not None:
            children.setdefault(node["parent"], []).append(node)
    found, waiting = [], [graph["nodes"][0]]
    while waiting:
        node = waiting.pop()
        found.append(node)
        own = children.get(node["id"], [])
        waiting += sorted(
            own, key=lambda child: (first.get(child["id"], len(first)), child["id"]), reverse=True
        )
    return found


def layout(dots: Mapping[str, str], program: str = "graphviz-pure") -> dict[str, str]:
    """Positions of many graphs from one Graphviz process: name -> text in Graphviz' `plain` format.

    Raises:
        InputError: the program is not there.
        RuntimeError: Graphviz fails; the message contains the end of its output.
    """
    if not dots:
        return {}
    found = find_program(program)
    with tempfile.TemporaryDirectory(prefix="n2g-draw-") as folder:
        files = {name: Path(folder, f"{index}.gv") for index, name in enumerate(dots)}
        for name, file in files.items():
            file.write_text(dots[name], encoding="utf-8")
        command = [found, "-Tplain", "-O", *(file.name for file in files.values())]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{program} failed with exit code {done.returncode}: {done.stderr[-500:]}")
        return {name: Path(f"{file}.plain").read_text(encoding="utf-8") for name, file in files.items()}


def to_svg(graph: Mapping, vocabulary: Mapping[int, str], plain: str, name: str, description: str) -> str:
    """The picture as one SVG file that looks right by itself; each node's group has its id in `data-node`.

    Args:
        graph, vocabulary, name: as for `to_dot`.
        plain: the graph's positions, from `layout`.
        description: a sentence for readers who cannot see the picture.
    """
    places, edges, (across, down) = _positions(plain)
    strength = activations(graph)
    marks = []
    for points in edges:
        marks.append(f'<path d="{_edge([(x, down - y) for x, y in reversed(points)])}"/>')
    for node in _in_order(graph):  # which is the order of the Tab and arrow keys
        if node["parent"] is not None:
            x, y = places[node["id"]]
            faint = is_background(node, graph, strength)
            marks.append(_box(node, vocabulary, (x, down - y), _colour(node, graph, strength), faint))
    across, down = across + 12, down + 12
    style = graph_style({_colour(node, graph, strength) for node in graph["nodes"][1:]})
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="graph" viewBox="-6 -6 {across:.0f} {down:.0f}"'
        f' width="{across:.0f}" height="{down:.0f}" role="img" aria-label="{_attribute(name)}">'
        f"<title>{escape(name)}</title><desc>{escape(description)}</desc><style>{style}</style>"
        '<marker id="arrow" viewBox="0 0 6 6" refX=".5" refY="3" markerWidth="6" markerHeight="6"'
        ' orient="auto"><path d="M0 .5L6 3L0 5.5z"/></marker>' + "".join(marks) + "</svg>\n"
    )


def _edge(points: list[tuple[float, float]]) -> str:
    """A line to the last point, straight where all points are at one height."""
    first, *rest = [f"{x:.0f},{y:.0f}" for x, y in points]
    level_with = {point.partition(",")[2] for point in (first, *rest)}
    return f"M{first}H{points[-1][0]:.0f}" if len(level_with) == 1 else f"M{first}C{' '.join(rest)}"


def inline(svg: str) -> str:
    """The same picture for a page that has the style and says the sentence itself."""
    before, _, rest = svg.partition("<title>")
    return before.replace(' xmlns="http://www.w3.org/2000/svg"', "") + rest.partition("</style>")[2]


def activations(graph: Mapping) -> dict[int, float]:
    """For each node id the strongest activation of any pattern that runs through the node."""
    strongest: dict[int, float] = {}
    parents = {node["id"]: node["parent"] for node in graph["nodes"]}
    for node in graph["nodes"]:
        value = node.get("end", {}).get("activation", 0.0)
        at = node["id"]
        while at is not None and strongest.get(at, -1.0) < value:
            strongest[at] = value
            at = parents[at]
    return {node: strongest.get(node, 0.0) for node in parents}


def is_background(node: Mapping, graph: Mapping, strength: Mapping[int, float]) -> bool:
    """Whether a node holds many tokens that set the predicted level of activation but never make the neuron fire."""
    many = node["parent"] == 0 and len(node.get("tokens", ())) > CLASS_LINES
    return many and "end" in node and strength[node["id"]] < graph.get("decision_threshold", 0.0)


def labels(node: Mapping, vocabulary: Mapping[int, str], background: bool = False) -> list[str]:
    """The lines of text in a node's box; the background's tokens are only counted."""
    if background:
        return ["below threshold:", f"{len(node['tokens'])} tokens"]
    if node["kind"] == "wildcard":
        return ["∗"]
    if node["kind"] == "gap":
        return [f"… ≤{node['max']}"]
    if node["kind"] == "start":
        return ["⊢ start"]
    texts = [visible(vocabulary.get(token, f"#{token}")) for token in ordered(node)]
    if len(texts) <= CLASS_LINES:
        return [elide(text) for text in texts]
    return [elide(text) for text in texts[: CLASS_LINES - 1]] + [f"+{len(texts) - CLASS_LINES + 1}"]


def ordered(node: Mapping) -> list[int]:
    """A node's tokens: those that the neuron fires on most often first, then those with the largest weight."""
    counts = dict(node.get("counts", ()))
    weights = node.get("weights", [1.0] * len(node["tokens"]))
    pairs = zip(node["tokens"], weights, strict=True)
    return [token for *_, token in sorted((-counts.get(token, 0), -weight, token) for token, weight in pairs)]


def describe(node: Mapping, vocabulary: Mapping[int, str]) -> str:
    """What the box itself does not show: number of tokens, importance, and the pattern that ends at the node."""
    kind, said = node["kind"], []
    if kind == "wildcard":
        said.append("any one token")
    elif kind == "gap":
        said.append(f"at most {node['max']} tokens, any" if node["max"] > 1 else "at most one token, any")
    elif kind == "start":
        said.append("the start of the text")
    elif kind == "class":
        said += [f"one of {len(node['tokens'])} tokens"] * (len(node["tokens"]) > CLASS_LINES)
    else:
        text = visible(vocabulary.get(node["tokens"][0], "?"))
        said += [elide(text, LONGEST)] * (elide(text) != text)
    if kind not in ("wildcard", "gap") and node["parent"] != 0:
        said.append(f"importance {node.get('importance', 0.0):.2f}")
    if "end" in node:
        end = node["end"]
        pattern = f"activation {end['activation']:.3g}"
        if "support" in end:
            pattern += f", {end['support']} example{'s' * (end['support'] != 1)}"
        if end.get("precision") is not None:
            pattern += f", precision {end['precision']:.2f}"
        said.append(pattern)
    return "; ".join(said)


def _step(node: Mapping, graph: Mapping, strength: Mapping[int, float]) -> int:
    if is_background(node, graph, strength):
        return 0
    if node["parent"] == 0:
        return max(1, level(strength[node["id"]], graph["scale"]))
    if node["kind"] in ("wildcard", "gap"):
        return 0
    return max(1, level(node.get("importance", 0.0), 1.0))


def _colour(node: Mapping, graph: Mapping, strength: Mapping[int, float]) -> str:
    """The class of a node's colour: `a` and a step for activation, `c` and a step for importance."""
    return f"{'a' if node['parent'] == 0 else 'c'}{_step(node, graph, strength)}"


def _box(
    node: Mapping, vocabulary: Mapping[int, str], centre: tuple[float, float], colour: str, background: bool
) -> str:
    x, y = centre
    lines = labels(node, vocabulary, background)
    across, down = _width(lines), _height(lines)
    active = node["parent"] == 0
    kind = "background" if background else node["kind"]
    kinds = ["node", *[kind] * (kind in DASHED), colour]
    kinds += ["active"] * (active and not background) + ["end"] * ("end" in node)
    corner = 0 if active else 6
    left, top = x - across / 2, y - down / 2
    rounded = f' rx="{corner}"' if corner else ""
    frame = f'<rect x="{left:.0f}" y="{top:.0f}" width="{across:.0f}" height="{down:.0f}"{rounded}/>'
    if "end" in node:
        frame = (
            f'<rect class="outer" x="{left - 3:.0f}" y="{top - 3:.0f}" width="{across + 6:.0f}"'
            f' height="{down + 6:.0f}"{rounded}/>' + frame
        )
    first = top + PADDING / 2 + LINE / 2 - 3.5
    place = f'x="{x:.0f}" y="{first + 4:.0f}"'
    if len(lines) == 1:
        words = f"<text {place}>{escape(lines[0])}</text>"
    else:
        spans = (f'<tspan x="{x:.0f}" dy="{LINE:.0f}">{escape(line)}</tspan>' for line in lines[1:])
        words = f"<text {place}>{escape(lines[0])}{''.join(spans)}</text>"
    title = describe(node, vocabulary)
    note = f"<title>{escape(title)}</title>" if title else ""
    return f'<g class="{" ".join(kinds)}" data-node="{node["id"]}">{note}{frame}{words}</g>'


def _positions(plain: str) -> tuple[dict[int, tuple], list[list[tuple]], tuple[float, float]]:
    """Centres of the nodes, points of the edges and size of the picture, in points."""
    places, edges, across, down = {}, [], 0.0, 0.0
    for line in plain.splitlines():
        kind, *fields = line.split(" ")
        if kind == "graph":
            across, down = float(fields[1]) * 72, float(fields[2]) * 72
        elif kind == "node":
            places[int(fields[0][1:])] = float(fields[1]) * 72, float(fields[2]) * 72
        elif kind == "edge":
            numbers = [float(field) * 72 for field in fields[3 : 3 + 2 * int(fields[2])]]
            edges.append(list(zip(numbers[::2], numbers[1::2], strict=True)))
    return places, edges, (across, down)


def _width(lines: list[str]) -> float:
    return max(30.0, round(max(map(width, lines)) * COLUMN + PADDING))


def _height(lines: list[str]) -> float:
    return len(lines) * LINE + PADDING / 2


def _attribute(text: str) -> str:
    return escape(text, {'"': "&quot;"})
