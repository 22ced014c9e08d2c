# SPDX-License-Identifier: BSL-1.0
"""docs/site/check_links.py refuses what it is there to refuse."""

import os
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "site"))
import check_links  # noqa: E402

SITE = {
    "index.html": '<h1 id="top">One</h1><a href="how-to/two.html#there">two</a><img src="a.svg"><a href="api/">api</a>'
                  '<link rel="stylesheet" href="main.css"><a href="https://example.com/none">elsewhere</a>',
    "how-to/two.html": '<h2 id="there">There</h2><p>Text\nand <code>- code</code></p><a href="#there">here</a><a '
                       'href="../index.html#top">home</a><ul>\n<li>one\n- two</li></ul>',
    "api/index.html": '<a href="../index.html">home</a>',
    "a.svg": "<svg/>",
    "main.css": "p { background: url(a.svg) }",
}


class SitesThatAreWrong(unittest.TestCase):
    def complaints(self, **_):
        with tempfile.TemporaryDirectory() as folder:
            for name, text in self.site.items():
                path = pathlib.Path(folder, name)
                path.parent.mkdir(exist_ok=True)
                path.write_text(text, encoding="utf-8")
            return check_links.check(folder)[0]

    def setUp(self):
        self.site = dict(SITE)

    def assert_refused(self, words):
        complaints = self.complaints()
        self.assertEqual(len(complaints), 1, complaints)
        self.assertIn(words, complaints[0])

    def replace(self, name, before, after):
        self.assertIn(before, self.site[name])
        self.site[name] = self.site[name].replace(before, after)

    def test_a_right_one_is_taken(self):
        self.assertEqual(self.complaints(), [])

    def test_a_link_to_a_page_that_is_not_there(self):
        self.replace("how-to/two.html", "../index.html#top", "index.html")
        self.assert_refused("how-to/two.html:2: index.html, which is not there")

    def test_a_link_out_of_the_site(self):
        self.replace("how-to/two.html", "../index.html#top", "../../index.html")
        self.assert_refused("which is not there")

    def test_an_anchor_that_is_not_there(self):
        self.replace("index.html", "#there", "#where")
        self.assert_refused("has no #where")

    def test_an_anchor_of_the_page_itself(self):
        self.replace("how-to/two.html", '"#there"', '"#where"')
        self.assert_refused("has no #where")

    def test_a_picture_that_is_not_there(self):
        del self.site["a.svg"]
        self.assert_refused("a.svg, which is not there")

    def test_a_picture_of_another_host(self):
        self.replace("index.html", 'src="a.svg"', 'src="https://example.com/a.svg"')
        self.assert_refused("from elsewhere")

    def test_a_font_of_another_host(self):
        self.replace("index.html", 'href="main.css"', 'href="//fonts.example.com/css?family=Roboto"')
        self.assert_refused("from elsewhere")

    def test_a_style_sheet_that_loads_from_another_host(self):
        self.replace("main.css", "url(a.svg)", "url('https://example.com/a.svg')")
        self.assert_refused("main.css: loads https://example.com/a.svg from elsewhere")

    def test_a_page_that_nobody_links_to(self):
        self.site["how-to/three.html"] = "<p>Alone</p>"
        self.assert_refused("how-to/three.html: no page links to it")

    def test_a_list_that_was_not_understood(self):
        self.replace("how-to/two.html", "Text\nand", "Text\n- one\nand")
        self.assert_refused("left as it was written: - one")

    def test_a_table_that_was_not_understood(self):
        self.replace("how-to/two.html", "Text\nand", "Text\n| a | b |\nand")
        self.assert_refused("left as it was written: | a | b |")

    def test_a_link_that_was_not_understood(self):
        self.replace("how-to/two.html", "Text\nand", "Text [two](two.md) and")
        self.assert_refused("left as it was written")


if __name__ == "__main__":
    unittest.main()
