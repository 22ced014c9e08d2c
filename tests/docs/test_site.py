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
import tempfile
import threading
import unittest

import devtools

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
# What the site is made from.
SOURCES = ("docs", "include", "scripts", "examples", "benchmarks", "tests")
IGNORED = shutil.ignore_patterns("__pycache__")


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


class Site(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.site = pathlib.Path(folder.name, "site")
        status, printed = build(ROOT, cls.site)
        if status != 0 or re.search("warning", printed, re.IGNORECASE):
            raise AssertionError(f"scripts/docs.sh ended with {status}:\n{printed}")
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(cls.site)))
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

    def test_each_page_opens_with_its_pictures_and_without_a_complaint(self):
        shown = 0
        source = next(self.site.glob("source/**/*.html")).relative_to(self.site).as_posix()
        for page in self.pages() + [source, "api/index.html", "api/classfanout_1_1semaphore.html"]:
            with self.subTest(page):
                self.browser.open(page)
                # A picture that is out of sight may be loaded later.
                pictures = self.browser.ask("""Promise.all([...document.querySelectorAll('article img')].map(async img => {
                    img.loading = 'eager'; await img.decode().catch(() => 0); return [img.src, img.naturalWidth]; }))""")
                self.assertEqual([src for src, width in pictures if width < 2], [])
                shown += len(pictures)
                self.assert_no_complaints(page)
        self.assertGreaterEqual(shown, len(list((ROOT / "docs" / "pictures").iterdir())) - 2)

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
    """scripts/docs.sh ends with a status that is not zero, and says where the fault is."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.root = pathlib.Path(folder.name)
        for name in SOURCES:
            shutil.copytree(ROOT / name, cls.root / name, ignore=IGNORED)
        for file in [ROOT / "mkdocs.yml", *ROOT.glob("*.md")]:
            shutil.copy(file, cls.root)

    def assert_refused(self, file, text, words):
        path = self.root / file
        before = path.read_text(encoding="utf-8")
        self.addCleanup(path.write_text, before, encoding="utf-8")
        path.write_text(f"{before}\n{text}\n", encoding="utf-8")
        status, printed = build(self.root, self.root / "site")
        self.assertNotEqual(status, 0, printed)
        self.assertIn(words, printed)

    def test_a_link_to_a_page_that_is_not_there(self):
        self.assert_refused("docs/README.md", "[gone](how-to/none.md)", "how-to/none.md")

    def test_an_anchor_that_is_not_there(self):
        self.assert_refused("docs/README.md", "[gone](tutorial/first-fan-out.md#none)", "has no #none")

    def test_a_comment_that_names_what_is_not_there(self):
        self.assert_refused("include/fanout/version.hpp", "/// Nothing.\n/// @param none Not there.\nvoid nothing(int a);",
                            "argument 'none'")


if __name__ == "__main__":
    unittest.main()
