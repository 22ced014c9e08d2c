# SPDX-License-Identifier: BSL-1.0
"""The documentation's site: scripts/docs.sh builds it, and a browser reads it as a person would."""

import functools
import html.parser
import http.server
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import unittest

import devtools

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def build(root, site):
    """(exit status, everything it printed)"""
    done = subprocess.run([root / "scripts" / "docs.sh", site], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode, done.stdout


class Navigation(html.parser.HTMLParser):
    """The links of a page's navigation, as they are written."""

    def __init__(self):
        super().__init__()
        self.links = []
        self._depth = 0

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "nav" and (self._depth > 0 or "md-nav--primary" in attributes.get("class", "")):
            self._depth += 1
        if tag == "a" and self._depth > 0:
            self.links.append(attributes["href"])

    def handle_endtag(self, tag):
        if tag == "nav" and self._depth > 0:
            self._depth -= 1


class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        """A browser that goes to another page breaks off what it was loading."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Site(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.site = pathlib.Path(folder.name, "site")
        status, printed = build(ROOT, cls.site)
        if status != 0 or re.search("warning", printed, re.IGNORECASE):
            raise AssertionError(f"scripts/docs.sh ended with {status}:\n{printed}")
        server = Server(("127.0.0.1", 0), functools.partial(Handler, directory=str(cls.site)))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        cls.addClassCleanup(server.server_close)
        cls.addClassCleanup(server.shutdown)
        cls.browser = cls.enterClassContext(devtools.Browser(f"http://127.0.0.1:{server.server_port}"))

    def pages(self):
        """Those of docs/, as paths of the site."""
        found = [path.relative_to(ROOT / "docs") for path in sorted((ROOT / "docs").rglob("*.md"))]
        return [re.sub(r"README\.html$", "index.html", path.with_suffix(".html").as_posix()) for path in found]

    def assert_no_complaints(self, address):
        self.assertEqual(self.browser.complaints, [], address)

    def test_each_page_is_in_the_navigation(self):
        navigation = Navigation()
        navigation.feed((self.site / "index.html").read_text(encoding="utf-8"))
        linked = {os.path.normpath(link) for link in navigation.links}
        self.assertEqual([page for page in self.pages() if page not in linked | {"index.html"}], [])
        self.assertIn("api/index.html", linked)

    def test_pages_open_with_their_pictures_and_without_a_complaint(self):
        """Each that has a picture, and one of each folder."""
        source = next(self.site.glob("source/**/*.html")).relative_to(self.site).as_posix()
        pages = {os.path.dirname(page): page for page in self.pages()}.values()
        pages = {source, "api/index.html", "api/classfanout_1_1semaphore.html", *pages}
        pages |= {page for page in self.pages() if "<img" in (self.site / page).read_text(encoding="utf-8")}
        shown = set()
        for page in sorted(pages):
            with self.subTest(page):
                self.browser.open(page)
                # A picture that is out of sight may be loaded later.
                pictures = self.browser.ask("""Promise.all([...document.querySelectorAll('article img')].map(async img => {
                    img.loading = 'eager'; await img.decode().catch(() => 0); return [img.src, img.naturalWidth]; }))""")
                self.assertEqual([src for src, width in pictures if width < 2], [])
                shown |= {os.path.basename(src) for src, _ in pictures}
                self.assert_no_complaints(page)
        self.assertLessEqual({"sleepers.svg", "connections.svg"}, shown)

    def search(self, words):
        """Types the words on the first page; the addresses of what was found."""
        self.browser.open("index.html")
        # Words that are typed before the index is there are not looked up until more are typed.
        self.browser.wait("/^Type/.test(document.querySelector('.md-search-result__meta').textContent.trim())")
        self.browser.ask("document.querySelector('.md-search__input').focus()")
        self.browser.write(words)
        self.browser.ask("document.querySelector('.md-search__input').dispatchEvent(new Event('keyup'))")
        self.browser.wait("/matching/.test(document.querySelector('.md-search-result__meta').textContent)")
        return self.browser.ask("[...document.querySelectorAll('.md-search-result__link')].map(link => link.href)")

    def test_the_search_finds_a_function(self):
        found = self.search("when_all_settled")
        self.assertIn("/reference/when_all_settled.html", found[0])
        # A click shows the page, with the words marked.
        self.browser.ask("document.querySelector('.md-search-result__link').click()")
        marked = self.browser.wait("location.pathname.endsWith('/when_all_settled.html') && "
                                   "[...document.querySelectorAll('article mark')].map(mark => mark.textContent)")
        self.assertIn("when_all_settled", marked)
        self.assert_no_complaints("the search")

    def test_the_search_finds_words_of_a_page(self):
        found = self.search("idempotency token")
        self.assertTrue([link for link in found if "/how-to/retry-safely.html" in link], found)

    def test_the_search_finds_no_more_than_there_is(self):
        self.assertEqual(self.search("no_such_thing_as_this"), [])

    def test_both_colour_schemes_are_there(self):
        self.browser.open("index.html")
        schemes = set()
        for number in range(2):
            self.browser.ask(f"document.querySelectorAll('[data-md-component=palette] input')[{number}].click()")
            schemes.add(self.browser.ask("getComputedStyle(document.body).backgroundColor"))
        self.assertEqual(len(schemes), 2, schemes)

    def test_the_browser_hears_of_what_goes_wrong(self):
        """The other tests rely on it."""
        wrong = self.site / "wrong.html"
        self.addCleanup(wrong.unlink)
        for text, words in (("<img src='none.png'>", "status 404"),
                            ("<script>console.error('as bad as this')</script>", "as bad as this"),
                            ("<script>none()</script>", "none is not defined"),
                            ("<script src='https://example.invalid/a.js'></script>", "another host")):
            with self.subTest(words):
                wrong.write_text(f"<!doctype html><title>Wrong</title><link rel='icon' href='data:,'>{text}")
                self.browser.open(f"wrong.html?{len(words)}")
                self.assertIn(words, "\n".join(self.browser.complaints))


class WhatIsWrongIsAnError(unittest.TestCase):
    """A site of two pages and a header: scripts/docs.sh refuses it where there is a fault, and says where that is."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name, "project")
        for name in ("scripts", "docs/site"):
            shutil.copytree(ROOT / name, self.root / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "mkdocs.yml", self.root)
        self.write("docs/README.md", "# One\n\n[two](tutorial/two.md#there), and the [header](../include/one.hpp)\n\n"
                                     "- a\n  - b\n")
        self.write("docs/tutorial/two.md", "# Two\n\n## There\n\n| a |\n|---|\n| `b \\| c` |\n\n"
                                           "<!-- snippet: include/one.hpp -->\n```cpp\n/// One.\n```\n")
        self.write("include/one.hpp", "namespace fanout {\n/// One.\n/// @param a A number.\nvoid one(int a);\n/// A class.\n"
                                      "struct two {};\n/// A concept.\ntemplate <class T> concept three = true;\n}\n")

    def write(self, name, text):
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).write_text(text, encoding="utf-8")

    def append(self, name, text):
        self.write(name, (self.root / name).read_text(encoding="utf-8") + text)

    def assert_refused(self, words):
        status, printed = build(self.root, self.root / "built")
        self.assertNotEqual(status, 0, printed)
        self.assertIn(words, printed)

    def test_a_right_one_is_built(self):
        status, printed = build(self.root, self.root / "built")
        self.assertEqual(status, 0, printed)
        home = (self.root / "built" / "index.html").read_text(encoding="utf-8")
        self.assertIn('href="source/include/one.hpp.html"', home) # what is outside of docs/ has a page
        self.assertRegex(home, r"<li>a\s*<ul>\s*<li>b</li>")     # a list nests by two blanks
        two = (self.root / "built" / "tutorial" / "two.html").read_text(encoding="utf-8")
        self.assertIn('href="../source/include/one.hpp.html"', two) # of the file that the code is cut from
        self.assertIn("<code>b | c</code>", two)

    def test_a_link_to_a_page_that_is_not_there(self):
        self.append("docs/README.md", "[gone](how-to/none.md)\n")
        self.assert_refused("how-to/none.md")

    def test_an_anchor_that_is_not_there(self):
        self.append("docs/README.md", "[gone](tutorial/two.md#none)\n")
        self.assert_refused("has no #none")

    def test_code_of_a_file_that_is_not_there(self):
        self.append("docs/README.md", "\n<!-- snippet: include/none.hpp -->\n```cpp\n```\n")
        self.assert_refused("include/none.hpp")

    def test_a_folder_that_is_no_section(self):
        self.write("docs/notes/three.md", "# Three\n")
        self.assert_refused("no section for notes")

    def test_a_comment_that_names_what_is_not_there(self):
        self.append("include/one.hpp", "/// Two.\n/// @param none Not there.\nvoid two(int a);\n")
        self.assert_refused("argument 'none'")


if __name__ == "__main__":
    unittest.main()
