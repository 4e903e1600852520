"""The shell of the atlas: MkDocs builds it once, and pages are stamped into it.

MkDocs sees the written pages and, for each page that holds tokens or texts, an empty one with a mark. What is
stamped at the mark comes from Jinja templates with escaping on, and never passes through Markdown.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader
from markupsafe import escape

from n2g.errors import InputError, why_not_written

MARK = "stamped-here"
TITLE = "stamped-title"
DESCRIPTION = "stamped-description"
PLACE = "neurons/layer/page/"
# The theme gives checkboxes an attribute that only text boxes may have.
_CHECKBOX = re.compile(r'(<input [^>]*type="checkbox"[^>]*) autocomplete="off"')
_BLANKS = re.compile(r"\s*\n\s*")
# Markdown aligns the cells of tables by inline styles, which the policy forbids.
_ALIGNED = re.compile(r' style="text-align: (right|center|left);"')
_TAG = re.compile(r"<[a-z][^<>]*>")
# Closing tags that what follows them implies, in the way our templates use them.
_IMPLIED = re.compile(r"</(?:td|th|tr|li|dt|dd)>")
_QUOTED = re.compile(r"""="([^\s"'=<>`]+)"(/?)""")
_LINK = re.compile(r'(<(?:a|link)\b[^>]*\shref=")([^"#?:]+)(?=["#])')


def build(site: Path, docs: Path, work: Path, stubs: Mapping[str, str], settings: Mapping) -> Path:
    """Build the shell with MkDocs.

    Args:
        site: the folder of templates, style sheets and scripts.
        docs: the folder of written pages in Markdown; it may be empty or missing.
        work: an empty folder to work in.
        stubs: pages to be stamped, path such as `layers/L3.md` -> title.
        settings: variables of `mkdocs.yml.j2`.

    Returns:
        The folder of the built shell, inside `work`.

    Raises:
        InputError: MkDocs failed; the message contains the end of its output.
    """
    pages = work / "pages"
    shutil.copytree(site / "static", pages)
    shutil.copytree(site / "theme", work / "theme")
    written = sorted(docs.rglob("*.md"))
    for file in (file for file in docs.rglob("*") if file.is_file()):
        target = pages / "about" / file.relative_to(docs)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
    for path, title in stubs.items():
        target = pages / path
        target.parent.mkdir(parents=True, exist_ok=True)
        described = f"description: {DESCRIPTION}\n" if title == TITLE else ""
        head = f"---\ntitle: {title}\n{described}template: stamped.html\n---\n"
        target.write_text(f"{head}<h1>{MARK}</h1>\n", encoding="utf-8")
    environment = Environment(loader=FileSystemLoader(site), autoescape=False, keep_trailing_newline=True)
    about = [f"about/{file.relative_to(docs).as_posix()}" for file in written]
    text = environment.get_template("mkdocs.yml.j2").render(**settings, written=about)
    (work / "mkdocs.yml").write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--config-file", "mkdocs.yml"]
    quiet = os.environ | {"NO_MKDOCS_2_WARNING": "1", "SOURCE_DATE_EPOCH": "0"}
    done = subprocess.run(command, cwd=work, env=quiet, capture_output=True, text=True, check=False)
    if done.returncode:
        if why := why_not_written(done.stderr):
            raise OSError(why)
        raise InputError(f"MkDocs could not build the atlas: {(done.stderr or done.stdout)[-800:]}")
    built = work / "built"
    for unused in ("sitemap.xml", "sitemap.xml.gz"):
        (built / unused).unlink(missing_ok=True)
    _join_styles(built)
    for unused in ("images", "stylesheets", "javascripts/lunr", "javascripts/workers"):
        shutil.rmtree(built / "assets" / unused, ignore_errors=True)
    for file in built.rglob("*.map"):
        file.unlink()
    for file in built.rglob("*.html"):
        file.write_text(secured(file.read_text(encoding="utf-8")), encoding="utf-8")
    return built


def _join_styles(built: Path) -> None:
    """Put the theme's style sheets before the site's own, so that a page loads one."""
    own = built / "css" / "atlas.css"
    theme = [next((built / "assets" / "stylesheets").glob(f"{name}.*.css")) for name in ("main", "palette")]
    own.write_text("\n".join(path.read_text(encoding="utf-8") for path in (*theme, own)), encoding="utf-8")


def stamp(parts: Iterable[str], title: str, content: str, description: str = "", place: str = PLACE) -> str:
    """A page: the shell's parts (from `split`) with an escaped title, ready HTML between them, a description as plain
    text for those who list the page, and its folder below the site's root, for its canonical address."""
    before, after = parts
    head = before.replace(TITLE, title).replace(PLACE, place)
    quoted = f'"{escape(description)}"'  # the page may hold the mark without quotes
    head = head.replace(f'"{DESCRIPTION}"', quoted).replace(DESCRIPTION, quoted)
    return f"{head}{squeezed(content)}{after}"


def stamp_page(page: Path, content: str) -> None:
    """Put ready HTML into a built page of the shell, under the page's own title."""
    page.write_text(stamp(split(page), "", content), encoding="utf-8")


def split(page: Path) -> tuple[str, str]:
    """What stands before and after the mark in a built page."""
    before, mark, after = page.read_text(encoding="utf-8").partition(f"<h1>{MARK}</h1>")
    if not mark:
        raise ValueError(f"{page} has no mark")
    return squeezed(before), squeezed(after)


def secured(html: str) -> str:
    """The page without the parts of the theme and of Markdown that violate the standard or the pages' policy.

    Links to folders become links to their `index.html`, so that the site can be read from a disk too.
    """
    for fault in (' xmlns="http://www.w3.org/2000/svg"', ' tabindex=""'):
        html = html.replace(fault, "")
    html = html.replace("<th></th>", "<td></td>")  # the corner of a table
    html = _ALIGNED.sub(lambda match: ' class="n"' if match[1] == "right" else "", html)
    html = _CHECKBOX.sub(r"\1", _LINK.sub(_to_index, html))
    return html if "<pre" in html else _BLANKS.sub("\n", html)


def squeezed(html: str) -> str:
    """The same page without quotes and closing tags that HTML can do without: there are thousands of its kind.

    >>> squeezed('<dd><rect class="outer" rx="6"/><b class="a1 p2" title="">"</b></dd></dl>')
    '<dd><rect class=outer rx=6 /><b class="a1 p2" title="">"</b></dl>'
    """
    html = _IMPLIED.sub("", html)
    return _TAG.sub(lambda tag: _QUOTED.sub(lambda m: f"={m[1]}{m[2] and ' /'}", tag[0]), html)


def _to_index(match: re.Match) -> str:
    start, path = match.groups()
    if "." in path.rsplit("/", 1)[-1].strip("."):
        return match[0]
    return f"{start}{path.rstrip('/')}/index.html"
