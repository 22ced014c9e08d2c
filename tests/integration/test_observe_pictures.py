# SPDX-License-Identifier: BSL-1.0
"""The trace and the waterfall of a fan-out, as the programs take them that people open them with."""

import copy
import json
import os
import tempfile
import unittest

import trace_format


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

    def test_what_speedscope_takes_in_another_way(self):
        # It adds floating-point numbers: 0.3 + 0.6 is before 0.9, 0.1 + 0.2 after 0.3.
        self.events = TRACE[:2] + [event("X", "#0", 0, dur=0.1), event("X", "#1", 0.1, dur=0.2), event("X", "#2", 0.3, dur=1)]
        trace_format.check(self.write())
        with self.assertRaisesRegex(AssertionError, "speedscope complains"):
            trace_format.check_speedscope(self.path)

    def test_what_speedscope_takes_for_another_format(self):
        self.events[0]["cat"] = ""
        self.events[SLICE]["name"] = "Profile"
        trace_format.check(self.write())
        with self.assertRaises(AssertionError):
            trace_format.check_speedscope(self.path)


if __name__ == "__main__":
    unittest.main(verbosity=2)
