#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""check_links.py FOLDER: what the pages of a built site refer to is there.

Each link and each anchor leads somewhere inside the folder, each picture, script and style sheet is a file of it, and nothing
is loaded from another host. (A link to another host is left alone: nobody is asked.) Also found: a page that nobody links
to, and Markdown that was not understood and is left as it was.
"""

import html.parser
import posixpath
import re
import sys
import urllib.parse
from pathlib import Path

# What a browser fetches by itself; of a link element, these kinds.
LOADED = {"img": "src", "script": "src", "iframe": "src", "source": "src", "object": "data", "embed": "src"}
LOADING_LINKS = {"stylesheet", "icon", "preload", "prefetch", "preconnect", "dns-prefetch", "manifest"}
# A line of a paragraph that begins as a list, a table, a heading or a fence does.
RAW = re.compile(r"^\s*(?:[-*+] |\d+\. |\||#+ |```|~~~|<!--)|\]\(")


class Page(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.anchors = set()
        self.links = []   # (line, target)
        self.loaded = []  # (line, target)
        self.raw = []     # (line, text)
        self._paragraph = None
        self._code = 0
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        line = self.getpos()[0]
        self.anchors.update(attributes[name] for name in ("id", "name") if attributes.get(name))
        if tag == "a" and attributes.get("href") is not None:
            self.links.append((line, attributes["href"]))
        if tag == "link" and LOADING_LINKS & set((attributes.get("rel") or "").split()):
            self.loaded.append((line, attributes.get("href") or ""))
        if tag in LOADED and attributes.get(LOADED[tag]) is not None:
            self.loaded.append((line, attributes[LOADED[tag]]))
        if tag == "p":
            self._paragraph = line
        if tag == "code":
            self._code += 1

    def handle_endtag(self, tag):
        if tag == "p":
            self._paragraph = None
        if tag == "code":
            self._code -= 1

    def handle_data(self, data):
        if self._paragraph is not None and not self._code:
            # The first line of the data goes on in a line that has begun, but for the paragraph's own first one.
            for number, found in enumerate(data.split("\n")):
                if (number > 0 or "](" in found) and RAW.search(found):
                    self.raw.append((self._paragraph, found.strip()))


def check(folder):
    """Everything that is wrong, as lines of text."""
    folder = Path(folder)
    pages = {path.relative_to(folder).as_posix(): None for path in sorted(folder.rglob("*.html"))}
    for name in pages:
        pages[name] = Page((folder / name).read_text(encoding="utf-8"))
    complaints = []
    reached = {"index.html", "404.html"}

    def made_by_doxygen(name, file):
        """Doxygen 1.9 links to the anchors of some hidden friends, and makes none."""
        return name.startswith("api/") and file.startswith("api/")

    def resolved(name, target):
        """(file, anchor) within the site, or None for what leads out of it."""
        parts = urllib.parse.urlsplit(target)
        if parts.scheme or parts.netloc:
            return None
        path = urllib.parse.unquote(parts.path)
        at = posixpath.dirname(name)
        if name == "404.html" and path.startswith("/"):
            at, path = "", path.lstrip("/")  # it may be shown in any folder
        found = posixpath.normpath(posixpath.join(at, path)) if path else name
        if (folder / found).is_dir():
            found = posixpath.normpath(posixpath.join(found, "index.html"))
        return found, urllib.parse.unquote(parts.fragment)

    for name, page in pages.items():
        for line, target in page.links + page.loaded:
            where = f"{name}:{line}"
            if target.startswith(("javascript:", "data:")):
                continue
            to = resolved(name, target)
            if to is None:
                if (line, target) in page.loaded:
                    complaints.append(f"{where}: loads {target} from elsewhere")
                continue
            file, anchor = to
            reached.add(file)
            if file.startswith("..") or not (folder / file).is_file():
                complaints.append(f"{where}: {target}, which is not there")
            elif anchor and file in pages and anchor not in pages[file].anchors and not made_by_doxygen(name, file):
                complaints.append(f"{where}: {target}: {file} has no #{anchor}")
        if not name.startswith("api/"):
            complaints += [f"{name}:{line}: left as it was written: {text}" for line, text in page.raw]
    complaints += [f"{name}: no page links to it" for name in pages
                   if name not in reached and not name.startswith("api/")]
    for style in sorted(folder.rglob("*.css")):
        for target in re.findall(r"(?:url\(|@import )\s*[\"']?((?:https?:)?//[^\"')]+)", style.read_text("utf-8")):
            complaints.append(f"{style.relative_to(folder)}: loads {target} from elsewhere")
    return complaints, len(pages)


def main(arguments):
    if len(arguments) != 1:
        print(__doc__.splitlines()[0], file=sys.stderr)
        return 2
    complaints, pages = check(arguments[0])
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    print(f"{pages} pages checked, {len(complaints)} complaints")
    return 1 if complaints or not pages else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
