# SPDX-License-Identifier: BSL-1.0
"""The trace and the waterfall of a fan-out, as the programs take them that people open them with."""

import collections
import copy
import itertools
import json
import os
import re
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree

import browser
import trace_format
from experiments import PROGRAM, run

SVG = "{http://www.w3.org/2000/svg}"


def event(ph, name, ts=0, tid=1, **more):
    return {"ph": ph, "name": name, "pid": 1, "tid": tid, "ts": ts, **more}


# Two lanes; on the first an input is rejected, and runs again on the second.
TRACE = [
    event("M", "process_name", args={"name": "a fan-out"}),
    event("M", "thread_name", args={"name": "lane 1"}),
    event("M", "thread_name", tid=2, args={"name": "lane 2"}),
    event("X", "#0", 0.5, dur=10.25, args={"attempt": 1}),
    event("s", "retry", 10.75, cat="retry", id=1),
    event("X", "#2", 11, dur=4.125, args={"attempt": 1}),
    event("X", "#1", 0.75, tid=2, dur=20, args={"attempt": 1}),
    event("X", "#0", 30.25, tid=2, dur=8, args={"attempt": 2}),
    event("f", "retry", 30.25, tid=2, cat="retry", id=1, bp="e"),
    event("C", "in flight", 0.5, args={"running": 2, "waiting": 0}),
    event("i", "finished", 38.25, s="p"),
]
SLICE, FLOW_START, SECOND_SLICE, COUNTER, INSTANT = 3, 4, 5, 9, 10


class TracesThatAreWrong(unittest.TestCase):
    """The checks refuse what they are there to refuse."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "trace.json")
        self.events = copy.deepcopy(TRACE)

    def write(self, text=None):
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(text or json.dumps({"traceEvents": self.events}))
        return self.path

    def assert_refused(self, words, text=None):
        with self.assertRaisesRegex(AssertionError, words):
            trace_format.check(self.write(text))

    def test_a_right_one_is_read_as_it_is(self):
        read = trace_format.check(self.write())
        self.assertEqual(read["processes"], {1: "a fan-out"})
        self.assertEqual([(name, [found.name for found in row]) for name, row in read["rows"].values()],
                         [("lane 1", ["#0", "#2"]), ("lane 2", ["#1", "#0"])])
        self.assertEqual([(one.args, other.args) for one, other in read["flows"]], [({"attempt": 1}, {"attempt": 2})])
        self.assertEqual(read["counters"], {(1, "in flight"): [(read["rows"][1, 1][1][0].start,
                                                                {"running": 2, "waiting": 0})]})
        self.assertEqual([found["name"] for found in read["instants"]], ["finished"])
        self.assertEqual(len(trace_format.check_speedscope(self.path)), 2)

    def test_slices_of_one_row_that_overlap(self):
        self.events[SECOND_SLICE]["ts"] = 10.7499
        self.assert_refused("overlap")

    def test_slices_of_one_row_inside_one_another(self):
        self.events[SECOND_SLICE].update(ts=5, dur=1)
        self.assert_refused("overlap")

    def test_a_time_that_is_none(self):
        for key, value in (("dur", -0.001), ("dur", "5"), ("ts", -1), ("ts", None), ("ts", True)):
            with self.subTest(f"{key} {value}"):
                self.events = copy.deepcopy(TRACE)
                self.events[SLICE][key] = value
                self.assert_refused(f"{key} is no time")

    def test_what_is_no_json(self):
        text = json.dumps({"traceEvents": TRACE})
        self.assert_refused("NaN", text.replace("10.25", "NaN"))
        self.assert_refused("twice", text.replace('"dur": 10.25', '"dur": 10.25, "dur": 10.25'))
        self.assert_refused("no JSON", text[:-1])
        self.assert_refused("no object with traceEvents", json.dumps(TRACE))
        with open(self.path, "wb") as file:
            file.write(text.replace("a fan-out", "\xe4").encode("latin-1") + b"\xff")
        with self.assertRaisesRegex(AssertionError, "UTF-8"):
            trace_format.check(self.path)

    def test_a_flow_without_an_end(self):
        self.events = [found for found in TRACE if found["ph"] != "f"]
        self.assert_refused("has no f")

    def test_a_flow_without_a_beginning(self):
        self.events = [found for found in TRACE if found["ph"] != "s"]
        self.assert_refused("has no s")

    def test_a_flow_with_two_beginnings(self):
        self.events.insert(FLOW_START, self.events[FLOW_START])
        self.assert_refused("a second s")

    def test_a_flow_whose_ends_have_two_names(self):
        self.events[FLOW_START]["name"] = "again"
        self.assert_refused("has no f")

    def test_a_flow_between_slices(self):
        self.events[FLOW_START]["ts"] = 10.9
        self.assert_refused("is outside")

    def test_a_flow_before_the_slice_in_the_file(self):
        end = self.events.pop(8)
        self.events.insert(SLICE, end)
        self.assert_refused("is outside")

    def test_a_flow_that_leads_to_the_slice_after_it(self):
        del self.events[8]["bp"]
        self.assert_refused("bp")

    def test_rows_and_processes_without_a_name(self):
        for number, words in ((0, "no name for the process"), (1, "no name for the row"), (2, "no name for the row")):
            with self.subTest(words):
                self.events = TRACE[:number] + TRACE[number + 1:]
                self.assert_refused(words)

    def test_a_counter_of_words(self):
        self.events[COUNTER]["args"]["running"] = "two"
        self.assert_refused("not all numbers")

    def test_an_instant_of_no_scope(self):
        del self.events[INSTANT]["s"]
        self.assert_refused("scope")

    def test_events_of_other_kinds(self):
        self.events[SLICE]["ph"] = "B"
        self.assert_refused("ph is 'B'")

    def test_a_colour_of_another_name(self):
        self.events[SLICE]["cname"] = "green"
        self.assert_refused("cname")

    def test_what_speedscope_takes_in_another_way(self):
        # It adds floating-point numbers: 0.1 + 0.2 is after 0.3.
        slices = [event("X", "#0", 0, dur=0.1), event("X", "#1", 0.1, dur=0.2), event("X", "#2", 0.3, dur=1)]
        self.events = TRACE[:2] + slices
        trace_format.check(self.write())
        with self.assertRaisesRegex(AssertionError, "speedscope complains"):
            trace_format.check_speedscope(self.path)

    def test_what_speedscope_takes_for_another_format(self):
        self.events[0]["cat"] = ""
        self.events[SLICE]["name"] = "Profile"
        trace_format.check(self.write())
        with self.assertRaises(AssertionError):
            trace_format.check_speedscope(self.path)


def check_self_contained(path):
    """The picture is well-formed, runs nothing, and refers to nothing outside of it. Returns its root element."""
    with open(path, encoding="utf-8", errors="strict") as file:
        text = file.read()
    root = xml.etree.ElementTree.fromstring(text)
    assert root.tag == f"{SVG}svg", f"the root is {root.tag}"
    assert not re.search(r"<!(DOCTYPE|ENTITY)|<\?xml-stylesheet", text), "it refers to another file at its beginning"
    ids = collections.Counter(element.get("id") for element in root.iter() if element.get("id"))
    assert not ids or max(ids.values()) == 1, f"an id twice: {ids.most_common(1)}"
    for element in root.iter():
        name = element.tag.removeprefix(SVG)
        assert name not in ("script", "foreignObject", "image", "iframe"), f"there is a {name}"
        for attribute, value in element.attrib.items():
            assert not attribute.startswith("on"), f"{name} runs {attribute}"
            if attribute.split("}")[-1] in ("href", "src"):
                assert value[:1] == "#" and value[1:] in ids, f"{name} refers to {value}"
        styles = [*element.attrib.values(), (element.text or "") if name == "style" else ""]
        for style in styles:
            assert "@import" not in style and not re.search("https?:", style), f"{name} loads something: {style[:200]}"
            for url in re.findall(r"url\(([^)]*)\)", style):
                assert url[:1] == "#" and url[1:] in ids, f"{name} refers to {url}"
    return root


def colours(root, dark):
    """{class: (red, green, blue)}, as the style sheet has them."""
    style = re.sub(r"\s+", " ", root.find(f"{SVG}style").text)
    media = re.search(r"@media \(prefers-color-scheme: ?dark\) ?\{((?:[^{}]*\{[^{}]*\})*) ?\}", style)
    assert media, "nothing is dark"
    found = {}
    for part in [style.replace(media[0], ""), media[1] if dark else ""]:
        for name, colour in re.findall(r"\.([\w-]+) ?\{ ?color: ?#([0-9a-f]{6});? ?\}", part):
            found[name] = tuple(bytes.fromhex(colour))
    return found


Bar = collections.namedtuple("Bar", "panel input kind x y width height")


def bars(root):
    """[Bar, …]: what the inputs did, of rows of one input."""
    found = []
    for number, panel in enumerate(root.iter(f"{SVG}g")):
        for row in panel.findall(f"{SVG}g[@class='row']"):
            for rect in row.iter(f"{SVG}rect"):
                classes = rect.get("class").split()
                if classes[0] in ("run", "wait"):
                    at = [float(rect.get(name)) for name in ("x", "y", "width", "height")]
                    found.append(Bar(number, int(row.get("data-first")), classes[-1], *at))
    panels = sorted({bar.panel for bar in found})
    return [bar._replace(panel=panels.index(bar.panel)) for bar in found]


def check_drawn(path, png, dark):
    """A browser draws it as it says: the paper and each bar in the theme's colours, and what waits hatched."""
    root = check_self_contained(path)
    width, height = int(root.get("width")), int(root.get("height"))
    browser.render(path, png, width, height, dark)
    assert browser.size(png) == (width, height), f"{browser.size(png)} pixels instead of {width} by {height}"
    assert not browser.is_blank(png), "it is blank"
    theme = colours(root, dark)
    paper = browser.pixel(png, width - 3, height // 2)
    assert paper == theme["paper"], f"the paper is {paper}, and not {theme['paper']}"
    assert bars(root), "there is no bar"
    for bar in bars(root):
        if bar.width < 3:
            continue
        middle = browser.pixel(png, bar.x + bar.width / 2, bar.y + bar.height / 2)
        if bar.kind != "wait":
            assert middle == theme[bar.kind], f"{bar} is {middle}, and not {theme[bar.kind]}"
        elif bar.width > 20:
            line = [browser.pixel(png, bar.x + 5 + step, bar.y + bar.height / 2) for step in range(10)]
            away = [sum(abs(one - other) for one, other in zip(colour, paper)) for colour in line]
            assert max(away) > 60 and min(away) < max(away) / 2, f"{bar} is not hatched: {line}"


class PicturesThatAreWrong(unittest.TestCase):
    """The checks refuse what they are there to refuse."""

    STYLE = (".paper{color:#ffffff}.ok{color:#0072b2}@media (prefers-color-scheme:dark)"
             "{.paper{color:#0d1117}.ok{color:#56b4e9}}.paper,.run{fill:currentColor}.wait{fill:url(#hatch)}")
    PICTURE = f"""<svg xmlns="http://www.w3.org/2000/svg" width="200" height="60"><style>{STYLE}</style>
        <defs><pattern id="hatch" width="5" height="5" patternUnits="userSpaceOnUse"><path stroke="#868e96"
        d="M2.5 0v5"/></pattern></defs><rect class="paper" width="200" height="60"/><g><g class="row" data-first="0">
        <rect class="wait" x="10" y="10" width="50" height="20"/><rect class="run ok" x="60" y="10" width="50"
        height="20"/></g></g><text x="10" y="50">one</text></svg>"""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "picture.svg")
        self.png = os.path.join(folder.name, "picture.png")

    def write(self, before="", after=""):
        self.assertIn(before, self.PICTURE)
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(self.PICTURE.replace(before, after) if before else self.PICTURE)
        return self.path

    def test_a_right_one_is_drawn_light_and_dark(self):
        self.write()
        for dark in (False, True):
            check_drawn(self.path, self.png, dark)
            self.assertEqual(browser.pixel(self.png, 85, 20), (0x56, 0xb4, 0xe9) if dark else (0x00, 0x72, 0xb2))

    def test_not_drawn_as_it_says(self):
        for before, after, words in (
                ('<rect class="paper"', '<rect class="nothing"', "paper"),  # which only the dark one misses
                (".paper,.run{", ".paper{", "run|ok"),
                ("fill:url(#hatch)", "fill:none", "not hatched"),
                ("fill:url(#hatch)", "fill:currentColor", "not hatched"),
                (".ok{color:#56b4e9}", ".ok{color:#56b4e9;opacity:.9}", "ok"),
                ('class="row"', 'class="other"', "no bar"),
                ("@media (prefers-color-scheme:dark)", "@media print", "dark")):
            with self.subTest(after), self.assertRaisesRegex(AssertionError, words):
                check_drawn(self.write(before, after), self.png, dark=True)

    def test_blank(self):
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(re.sub("<g>.*</text>", "", self.PICTURE, flags=re.DOTALL))
        with self.assertRaisesRegex(AssertionError, "blank"):
            check_drawn(self.path, self.png, dark=False)

    def test_not_self_contained(self):
        for inserted, words in (
                ("<script/>", "script"),
                ("<foreignObject/>", "foreignObject"),
                ('<image href="#hatch"/>', "image"),
                ('<use href="other.svg#hatch"/>', "refers to"),
                ('<use href="#nothing"/>', "refers to"),
                ('<g xmlns:x="http://www.w3.org/1999/xlink"><use x:href="http://example.org/"/></g>', "refers to"),
                ('<g style="fill:url(http://example.org/)"/>', "loads"),
                ('<g fill="url(other.svg#hatch)"/>', "refers to"),
                ("<style>@import 'other.css';</style>", "loads"),
                ('<g onclick="alert()"/>', "runs onclick"),
                ('<g id="hatch"/>', "twice")):
            with self.subTest(inserted), self.assertRaisesRegex(AssertionError, words):
                check_self_contained(self.write("</svg>", f"{inserted}</svg>"))

    def test_not_well_formed(self):
        for inserted in ("<g>", "&", "<", "\x01"):
            with self.subTest(inserted), self.assertRaises(xml.etree.ElementTree.ParseError):
                check_self_contained(self.write("</svg>", f"{inserted}</svg>"))


class Sleepers(unittest.TestCase):
    """What the program `sleepers` writes."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.trace, cls.picture = (os.path.join(cls.folder.name, name) for name in ("sleepers.json", "sleepers.svg"))
        for _ in range(8):  # as run_undisturbed() does; but these figures are not the experiment's
            result = run(PROGRAM, "--unit", "100ms", "--trace", cls.trace, "--waterfall", cls.picture, record=False)
            if result.heartbeat_worst is None or result.heartbeat_worst <= 50:
                break
        if (result.status, result.errors) != (0, ""):
            raise AssertionError(result)

    def states(self, pid):
        """The states of a process's slices, by input; each ran once."""
        found = {}
        for (process, _), (_, row) in trace_format.check(self.trace)["rows"].items():
            for one in row if process == pid else ():
                self.assertNotIn(one.args["index"], found)
                self.assertEqual(one.args["attempt"], 1)
                found[one.args["index"]] = one.args["state"]
        return [found[index] for index in sorted(found)]

    def test_the_trace_has_what_ran(self):
        read = trace_format.check(self.trace)
        self.assertEqual([read["processes"][pid] for pid in sorted(read["processes"])],
                         ["one after another", "when_all", "when_all, one fails", "when_all_settled, one fails"])
        self.assertEqual(self.states(1), 3 * ["fulfilled"])
        self.assertEqual(self.states(2), 3 * ["fulfilled"])
        self.assertEqual(self.states(3), ["fulfilled", "fulfilled", "rejected", "cancelled"])
        self.assertEqual(self.states(4), ["fulfilled", "fulfilled", "rejected", "fulfilled"])
        # One after another is one row; all at once is a row for each.
        self.assertEqual(collections.Counter(pid for pid, _ in read["rows"]), {1: 1, 2: 3, 3: 4, 4: 4})

    def test_the_trace_tells_how_many_were_in_flight(self):
        counters = trace_format.check(self.trace)["counters"]
        for pid, most in ((1, 1), (2, 3), (3, 4), (4, 4)):
            values = [args["children"] for _, args in counters[pid, "in_flight"]]
            self.assertEqual((max(values), values[-1]), (most, 0))

    def test_speedscope_reads_the_trace(self):
        self.assertEqual(len(trace_format.check_speedscope(self.trace)), 12)

    def test_the_picture_is_drawn_light(self):
        check_drawn(self.picture, os.path.join(self.folder.name, "light.png"), dark=False)

    def test_the_picture_is_drawn_dark(self):
        check_drawn(self.picture, os.path.join(self.folder.name, "dark.png"), dark=True)

    def test_the_dark_picture_has_other_colours(self):
        light, dark = (colours(check_self_contained(self.picture), dark) for dark in (False, True))
        self.assertEqual(set(light), set(dark))
        self.assertEqual([name for name in light if light[name] == dark[name]], [])
        self.assertGreater(sum(light["paper"]), 3 * 200)
        self.assertLess(sum(dark["paper"]), 3 * 50)

    def test_the_picture_has_the_times_of_the_trace(self):
        """Each bar is where its slice is, and all panels have one time axis."""
        slices = {(pid - 1, one.args["index"]): one
                  for (pid, _), (_, row) in trace_format.check(self.trace)["rows"].items() for one in row}
        found = {(bar.panel, bar.input): bar for bar in bars(check_self_contained(self.picture)) if bar.kind != "wait"}
        self.assertEqual(set(found), set(slices))
        longest = max(slices, key=lambda key: slices[key].end - slices[key].start)
        pixels = found[longest].width / float(slices[longest].end - slices[longest].start)
        left = found[longest].x - pixels * float(slices[longest].start)
        for key, bar in found.items():
            with self.subTest(key):
                self.assertAlmostEqual(bar.x, left + pixels * float(slices[key].start), delta=0.1)
                self.assertAlmostEqual(bar.x + bar.width, left + pixels * float(slices[key].end), delta=0.1)
                state = slices[key].args["state"]
                self.assertEqual(bar.kind, "ok" if state == "fulfilled" else state)


def at_once(slices):
    """How many there were side by side, at most."""
    times = sorted([(one.end, -1) for one in slices] + [(one.start, 1) for one in slices])
    return max(itertools.accumulate(step for _, step in times))


@unittest.skipUnless(os.environ.get("FANOUT_VIDEO_SNAPSHOT"), "no video_snapshot was built")
class Retries(unittest.TestCase):
    """A thousand writes, of which one in five is turned away at first."""

    def test_each_retry_has_an_arrow_that_leads_to_it(self):
        with tempfile.TemporaryDirectory() as folder:
            trace, picture = os.path.join(folder, "f.json"), os.path.join(folder, "f.svg")
            run = subprocess.run([os.environ["FANOUT_VIDEO_SNAPSHOT"], "--embedded", os.path.join(folder, "videos.db"),
                                  "--strategy", "retry", "--limit", "64", "--throttle", "20%", "--max-attempts", "10",
                                  "--latency", "1ms", "--json", "--quiet", "--trace", trace, "--waterfall", picture],
                                 capture_output=True, text=True, timeout=120)
            self.assertEqual(run.returncode, 0, run)
            told = json.loads(run.stdout.splitlines()[0])
            self.assertGreater(told["retries"], 100)
            read = trace_format.check(trace)
            self.assertEqual(len(read["flows"]), told["retries"])
            for before, after in read["flows"]:
                self.assertEqual(before.args["index"], after.args["index"])
                self.assertEqual(before.args["attempt"] + 1, after.args["attempt"])
                self.assertEqual(before.args["state"], "rejected")
            self.assertEqual(sum(len(row) for _, row in read["rows"].values()), told["attempts"])
            attempts = [one for _, row in read["rows"].values() for one in row]
            self.assertEqual(at_once(attempts), 64)
            # A lane may end a little after its last child, when another has its permit already: no more than that.
            self.assertLessEqual(len(read["rows"]), 2 * 64)
            trace_format.check_speedscope(trace)
            check_self_contained(picture)


if __name__ == "__main__":
    unittest.main(verbosity=2)
