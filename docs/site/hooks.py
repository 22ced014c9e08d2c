# SPDX-License-Identifier: BSL-1.0
"""What mkdocs.yml has no words for. The pages stay as a forge shows them; here they become those of a site.

- The navigation is found from the folders of docs/, so that no page can be forgotten. Their order is that of the links in
  docs/README.md and in the folders' own index pages; what these do not name comes behind, by title.
- A link to a file of the repository outside of docs/ leads to a page under source/ that shows the file.
- `<!-- snippet: FILE [NAME] -->` before a block of code (scripts/check_readme.py) becomes a link to that file.
- Headings get the anchors that a forge gives them, and lists nest by two blanks, as there.
"""

import json
import logging
import posixpath
import re
import urllib.parse
from pathlib import Path

from markdown.blockprocessors import build_block_parser
from markdown.extensions import Extension
from mkdocs.structure.files import File
from mkdocs.structure.nav import Link

log = logging.getLogger("mkdocs.fanout")

ROOT = Path(__file__).resolve().parent.parent.parent
DOCS = "docs"
SOURCE = "source"  # folder of the site

# Folders of docs/, in their order.
SECTIONS = {
    "tutorial": "Tutorial",
    "how-to": "How-to guides",
    "reference": "Reference",
    "explanation": "Explanation",
    "benchmarks": "Benchmarks",
}
NO_PAGES = ("site", "pictures")

FENCE = re.compile(r"^(?P<fence>```+|~~~+)[^\n]*\n.*?^(?P=fence)[ \t]*$", re.MULTILINE | re.DOTALL)
SNIPPET = re.compile(r"^<!-- snippet: (?P<file>\S+)(?: \[[\w-]+\])? -->\n(?=```)", re.MULTILINE)
LINK = re.compile(r"(?P<before>\]\()(?P<target>[^)\s#]+)(?P<anchor>#[^)\s]*)?(?=\))")
TITLE = re.compile(r"^# (.+)$", re.MULTILINE)
LANGUAGES = {".cpp": "cpp", ".hpp": "cpp", ".py": "python", ".sh": "sh", ".toml": "toml", ".cmake": "cmake",
             ".yml": "yaml", ".json": "json", ".in": "text"}


class TwoBlanks(Extension):
    """Before all other extensions: the processors of blocks take the length when they are made, so they are made anew."""

    def extendMarkdown(self, md):
        md.tab_length = 2
        md.parser = build_block_parser(md)


def slug(text, separator):
    """A heading's anchor, as forges make it: `1. What's in it` is `1-whats-in-it`."""
    return re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", separator)


def on_startup(command, dirty):
    """The build tells of warnings alone (`--quiet` would hide these, too)."""
    if command == "build":
        logging.getLogger("mkdocs").setLevel(logging.WARNING)


def on_config(config):
    config["markdown_extensions"].insert(0, TwoBlanks())
    config["mdx_configs"].setdefault("toc", {})["slugify"] = slug
    return config


def on_files(files, config):
    """Adds a page for each file outside of docs/ that a page links to, and says what the navigation is."""
    for file in list(files):
        if file.src_uri.startswith("site/") and not file.src_uri.endswith((".css", ".svg")):
            files.remove(file)
    pages = [file.src_uri for file in files.documentation_pages()]
    unread = [f"{DOCS}/{uri}" for uri in pages]
    seen = set(unread)
    while unread:
        path = unread.pop()
        for target in outside(text_of(path), path):
            if target not in seen:
                seen.add(target)
                unread.append(target)
                files.append(File(page_of(target), str(ROOT), config["site_dir"], config["use_directory_urls"]))
    config["nav"] = navigation(pages)
    return files


def on_nav(nav, config, files):
    nav.items.append(Link("Every declaration (Doxygen)", "api/index.html"))
    return nav


def on_page_read_source(page, config):
    uri = page.file.src_uri
    if not uri.startswith(f"{SOURCE}/"):
        return None
    path = next(path for path in source_paths(uri) if (ROOT / path).exists())
    return text_of(path)


def on_page_markdown(markdown, page, config, files):
    uri = page.file.src_uri
    path = f"{DOCS}/{uri}"
    if uri.startswith(f"{SOURCE}/"):
        path = next(path for path in source_paths(uri) if (ROOT / path).exists())
        page.meta.setdefault("hide", ["toc"])
    markdown = SNIPPET.sub(lambda found: f"[{found['file']}]({relative(page_of(found['file']), uri)}){{ .snippet }}\n\n",
                           markdown)

    def rewritten(found):
        target = resolve(found["target"], path)
        if target is None:
            return found[0]
        return f"{found['before']}{relative(page_of(target), uri)}{found['anchor'] or ''}"

    return outside_of_fences(markdown, lambda text: LINK.sub(rewritten, text))


def on_page_content(html, page, config, files):
    """A bar in the code of a table is written with a backslash, which a forge takes away."""
    return re.sub(r"<td.*?</td>", lambda cell: cell[0].replace("\\|", "|"), html, flags=re.DOTALL)


def on_post_build(config):
    """A search finds pages, not the sources that they link to."""
    index = Path(config["site_dir"]) / "search" / "search_index.json"
    found = json.loads(index.read_text(encoding="utf-8"))
    found["docs"] = [entry for entry in found["docs"] if not entry["location"].startswith(f"{SOURCE}/")]
    index.write_text(json.dumps(found, separators=(",", ":")), encoding="utf-8")


def navigation(pages):
    indexes = sorted((uri for uri in pages if is_index(uri)), key=lambda uri: uri.count("/"))
    linked = [target for uri in indexes for target in targets(text_of(f"{DOCS}/{uri}"), f"{DOCS}/{uri}")]
    place = {target.removeprefix(f"{DOCS}/"): number for number, target in reversed(list(enumerate(linked)))}

    def key(uri):
        return not is_index(uri), place.get(uri, len(linked)), title(uri).lower()

    def entries(folder):
        """Its pages, then the folders in it."""
        inside = sorted((uri for uri in pages if posixpath.dirname(uri) == folder), key=key)
        deeper = sorted({uri[len(folder) + 1:].split("/")[0] for uri in pages if uri.startswith(f"{folder}/")
                         and "/" in uri[len(folder) + 1:]})
        return [short_title(uri) for uri in inside] + [section(f"{folder}/{name}") for name in deeper]

    def section(folder):
        index = next((uri for uri in pages if posixpath.dirname(uri) == folder and is_index(uri)), None)
        name = next(iter(short_title(index))) if index else posixpath.basename(folder)
        return {SECTIONS.get(folder, name): entries(folder)}

    unknown = {uri.split("/")[0] for uri in pages if "/" in uri} - set(SECTIONS) - set(NO_PAGES)
    if unknown:
        raise SystemExit(f"docs/site/hooks.py knows no section for {', '.join(sorted(unknown))}")
    top = sorted((uri for uri in pages if "/" not in uri), key=key)
    return [short_title(uri) for uri in top] + [section(folder) for folder in SECTIONS if entries(folder)]


def is_index(uri):
    return posixpath.basename(uri) in ("README.md", "index.md")


def short_title(uri):
    """{the page's title, up to a colon and without "How to": its path}"""
    if uri == "README.md":
        return {"Home": uri}
    name = title(uri).split(": ")[0].removeprefix("How to ")
    return {(name[0].upper() + name[1:]).replace("`", ""): uri}


def title(uri):
    found = TITLE.search(FENCE.sub("", text_of(f"{DOCS}/{uri}")))
    return found[1] if found else uri


def text_of(path):
    """What the page of a file shows: Markdown as it is, a folder as a list of links, anything else as code."""
    file = ROOT / path
    if file.is_dir():
        inside = sorted(child.name + "/" * child.is_dir() for child in file.iterdir()
                        if child.name not in ("__pycache__", "detail") and not child.name.startswith("."))
        return f"# {path}\n\n" + "".join(f"- [{name}]({posixpath.basename(path)}/{name})\n" for name in inside)
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".md":
        return text
    language = "cmake" if file.name == "CMakeLists.txt" else LANGUAGES.get(file.suffix, "text")
    fence = "`" * (3 + max((len(found) for found in re.findall(r"^`+", text, re.MULTILINE)), default=0))
    return f"# {path}\n\n{fence}{language}\n{text}\n{fence}\n"


def page_of(path):
    """The page of the site that shows the file `path` of the repository."""
    if path.startswith(f"{DOCS}/") and not path.startswith(f"{DOCS}/site"):
        return path.removeprefix(f"{DOCS}/")
    return f"{SOURCE}/{path}" if path.endswith(".md") else f"{SOURCE}/{path}.md"


def source_paths(uri):
    path = uri.removeprefix(f"{SOURCE}/")
    return path.removesuffix(".md"), path


def resolve(target, path):
    """The file of the repository that the link `target` in the file `path` leads to; None for one that leads elsewhere."""
    if re.match(r"[a-z]+:|//", target):
        return None
    found = posixpath.normpath(posixpath.join(posixpath.dirname(path), urllib.parse.unquote(target)))
    return found if (ROOT / found).exists() and not found.startswith("..") else None


def targets(text, path):
    found = [resolve(link["target"], path) for link in LINK.finditer(FENCE.sub("", text))]
    return [target for target in found if target]


def outside(text, path):
    files = targets(text, path)
    for found in SNIPPET.finditer(text):
        if (ROOT / found["file"]).is_file():
            files.append(found["file"])
        else:
            log.warning(f"{path}: a block of code is to be cut from {found['file']}, which is not there")
    return sorted({file for file in files if page_of(file).startswith(f"{SOURCE}/")})


def relative(to, uri):
    return urllib.parse.quote(posixpath.relpath(to, posixpath.dirname(uri) or "."))


def outside_of_fences(text, change):
    pieces, at = [], 0
    for fence in FENCE.finditer(text):
        pieces += [change(text[at:fence.start()]), fence[0]]
        at = fence.end()
    return "".join(pieces) + change(text[at:])
