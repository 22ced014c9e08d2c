#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""What scripts/check_docs.py finds, in headers made for the purpose; and that a section taken out of any combinator of
this library is found."""

import re
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "scripts"))
import check_docs  # noqa: E402
from declarations import public_entities  # noqa: E402

HEADER = "include/fanout/thing.hpp"


def entities(code, header=HEADER):
    return public_entities(header, code)


def names(code):
    return [str(e) for e in entities(code)]


def complaints(code, header=HEADER):
    return [c.split(": ", 2)[2] for e in entities(code, header) for c in check_docs.check_comment(e)]


def in_fanout(code):
    return "namespace fanout {\n" + code + "\n}\n"


COMBINATOR = in_fanout("""
/// Runs it.
///
///     co_await thing(a);
///
/// @param a What to run.
/// @returns An operation.
/// @par Completes when
///   it has ended.
/// @par Errors
///   None.
/// @par Order of results
///   That of the inputs.
/// @par Per-operation cancellation
///   Terminal.
/// @par Executor, thread safety, exception safety
///   As others.
/// @par Lifetimes
///   Borrowed.
/// @par Complexity
///   One allocation.
/// @par See also
///   others
template <class A>
[[nodiscard]] auto thing(A&& a) { return a; }
""")


class Finds(unittest.TestCase):
    def test_what_is_public(self):
        self.assertEqual(names(in_fanout("""
            int f(int a);
            namespace detail { int hidden(); struct inner { void also(); }; }
            class c : public base {
                void secret();
                class nested_private { public: void no(); };
            public:
                c() = default;
                c(c const&) = delete;
                explicit c(int n) : n_{n}, m_(n) {}
                ~c() {}
                class nested;
                template <class T> requires requires(T& t) { t.x(); } void member(T&& t) noexcept {}
                explicit operator bool() const { return true; }
                std::function<void(int)> field{};
            private:
                class waiter;
                int n_, m_;
            };
            class [[nodiscard]] c::nested { public: void inside(); };
            class c::waiter { public: void no(); };
            inline int c::member_defined_outside(int) { return 1; }
            struct s { enum kind { a, b }; kind what = a; friend std::ostream& operator<<(std::ostream&, s const&); };
            template <class T> concept likes = requires(T t) { t.f(); };
            using alias = int;
            template <class T> inline constexpr bool constant = false;
            template <class T> inline constexpr bool constant<T*> = true;
            template <class T> inline constexpr maker<T> object{};
        """) + "template <> struct boost::other<fanout::c> { void no(); };"), [
            "f", "c", "c::c", "c::member", "c::operator bool", "c::nested", "c::nested::inside", "s", "s::kind",
            "s::operator<<", "likes", "alias", "constant", "object"])

    def test_a_function_without_a_comment(self):
        self.assertEqual(complaints(in_fanout("struct s;\nvoid f();")), ["has no comment"])
        self.assertEqual(complaints(in_fanout("/// Does it.\nvoid f();")), [])
        self.assertEqual(complaints(in_fanout("void f(); ///< does it")), [])
        self.assertEqual(complaints(in_fanout("// Not for readers of the reference.\nvoid f();")), ["has no comment"])

    def test_the_comment_of_the_one_before_does_not_count(self):
        self.assertEqual(complaints(in_fanout("/// Does it.\nvoid f();\nvoid g();")), ["has no comment"])

    def test_a_group_shares_its_comment(self):
        group = "/// @name Hooks\n/// @{\nvoid f();\nvoid g();\n/// @}\n"
        self.assertEqual(complaints(in_fanout(group)), [])
        self.assertEqual(complaints(in_fanout(group + "void h();")), ["has no comment"])

    def test_a_combinator_that_says_all(self):
        self.assertEqual(complaints(COMBINATOR), [])

    def test_a_combinator_without_nodiscard_is_one_all_the_same(self):
        short = "/// Runs it.\n/// @param a What.\n/// @returns It.\n/// @par Lifetimes\n///   None.\ntemplate <class A>\n"
        self.assertIn("nothing says: errors (combinator)", complaints(in_fanout(short + "auto thing(A&& a);")))
        self.assertEqual(complaints(in_fanout(short + "auto other(A&& a);")), [])

    def test_a_combinator_that_is_a_function_object(self):
        thing = COMBINATOR.replace("[[nodiscard]] auto thing(A&& a) { return a; }", "inline constexpr maker<A> thing{};")
        self.assertNotEqual(thing, COMBINATOR)
        self.assertEqual(complaints(thing), [])
        self.assertEqual(complaints(thing.replace("/// @par Lifetimes\n", "")), ["nothing says: lifetimes (combinator)"])
        self.assertEqual(complaints(in_fanout("inline constexpr int n = 1;")), ["has no comment"])
        self.assertEqual(complaints(in_fanout("/// How many.\ninline constexpr int n = 1;")), [])

    def test_each_section_that_a_combinator_does_not_say(self):
        for line, missing in (("/// @returns An operation.\n", "returns"),
                              ("/// @par Completes when\n", "completes when"),
                              ("/// @par Errors\n", "errors"),
                              ("/// @par Order of results\n", "order of results"),
                              ("/// @par Per-operation cancellation\n", "per-operation cancellation"),
                              ("/// @par Lifetimes\n", "lifetimes"), ("/// @par Complexity\n", "complexity"),
                              ("/// @par See also\n", "see also"), ("///     co_await thing(a);\n", "example"),
                              ("/// @param a What to run.\n", "parameters")):
            self.assertIn(line, COMBINATOR)
            self.assertEqual(complaints(COMBINATOR.replace(line, "")), [f"nothing says: {missing} (combinator)"])
        self.assertEqual(complaints(COMBINATOR.replace("Executor, thread safety, ", "")),
                         ["nothing says: executor (combinator)", "nothing says: thread safety (combinator)"])

    def test_a_section_out_of_order(self):
        moved = COMBINATOR.replace("/// @par Errors\n///   None.\n", "").replace(
            "/// @par Lifetimes\n", "/// @par Errors\n///   None.\n/// @par Lifetimes\n")
        self.assertEqual(complaints(moved), ["Errors belongs before exception safety"])

    def test_a_section_without_a_text(self):
        self.assertEqual(complaints(COMBINATOR.replace("///   One allocation.\n", "")), ["@par Complexity is empty"])

    def test_a_section_that_is_none(self):
        self.assertEqual(complaints(COMBINATOR.replace("@par Complexity", "@par Complexness")),
                         ["@par Complexness is none of the sections", "nothing says: complexity (combinator)"])

    def test_a_free_function(self):
        self.assertEqual(complaints(in_fanout("/// Adds.\nint add(int a, int b = 1);")),
                         ["nothing says: returns (function)", "nothing says: the parameter a",
                          "nothing says: the parameter b"])
        self.assertEqual(complaints(in_fanout("/// The sum of `a` and `b`.\nint add(int a, int b);")), [])
        self.assertEqual(complaints(in_fanout("/// Adds.\n/// @param a one\n/// @returns it\nint add(int a, int b);")),
                         ["nothing says: the parameter b"])
        self.assertEqual(complaints(in_fanout("/// The sum.\n/// @param a,c one\nint add(int a);")),
                         ["there is no parameter c"])

    def test_a_maker_says_what_it_keeps(self):
        maker = "/// @param f a callable\n/// @returns an argument\ntemplate <class F> kept<F> keep(F&& f);"
        self.assertEqual(complaints(in_fanout("/// Keeps.\n" + maker)), ["nothing says: lifetimes (function)"])

    def test_what_throws_says_so(self):
        throws = "/// Is it.\nvoid f(int) { if (true) { throw 1; } }"
        self.assertEqual(complaints(in_fanout(throws)), ["nothing says: errors (function)"])
        self.assertEqual(complaints(in_fanout(throws.replace("it.", "it.\n/// @throws int"))), [])
        self.assertEqual(complaints(in_fanout("/// C.\nstruct c { /// Makes it.\nc(int n) : n_(checked(n)) {} };")),
                         ["nothing says: errors (member)"])

    def test_an_asynchronous_member(self):
        code = "/// C.\nstruct c { /// Waits.\ntemplate <class T> auto async_wait(T&& t) { return t; } };"
        self.assertEqual(complaints(in_fanout(code)), [
            "nothing says: completes when (asynchronous)", "nothing says: errors (asynchronous)",
            "nothing says: per-operation cancellation (asynchronous)"])

    def test_what_is_shared_says_how(self):
        code = "/// C.\nclass c { public: c(c const&) = delete; c& operator=(c const&) = delete; };"
        self.assertEqual(complaints(in_fanout(code)), ["nothing says: thread safety (shared class)",
                                                       "nothing says: lifetimes (shared class)"])


class Pages(unittest.TestCase):
    PAGE = "# thing\n\n`#include <fanout/thing.hpp>`\n\n`thing` runs it.\n\n## Errors\n\nNone.\n\n## Lifetimes\n\nShort.\n"

    def check(self, page, index="[thing](thing.md)", header=COMBINATOR):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            for path, text in ((HEADER, header), ("docs/reference/thing.md", page),
                               ("docs/reference/index.md", index), ("include/fanout/detail/none.hpp", "no page")):
                if text is not None:
                    (root / path).parent.mkdir(parents=True, exist_ok=True)
                    (root / path).write_text(text)
            return check_docs.check(root)[0]

    def test_a_header_with_its_page(self):
        self.assertEqual(self.check(self.PAGE), [])

    def test_a_header_without_a_page(self):
        self.assertEqual(self.check(None), [f"{HEADER}: has no page docs/reference/thing.md"])

    def test_a_page_that_does_not_name_a_function(self):
        self.assertEqual(self.check(self.PAGE.replace("`thing` runs", "It runs").replace("# thing", "#").replace(
            "<fanout/thing.hpp>", "<fanout/other.hpp>")), [
                "docs/reference/thing.md: does not say `#include <fanout/thing.hpp>`",
                "docs/reference/thing.md: does not name thing",
                "docs/reference/thing.md: there is no header fanout/other.hpp"])

    def test_a_page_out_of_order(self):
        swapped = self.PAGE.replace("Errors", "x").replace("Lifetimes", "Errors").replace("## x", "## Lifetimes")
        self.assertEqual(self.check(swapped), ["docs/reference/thing.md: Errors belongs before Lifetimes"])

    def test_a_header_that_refers_to_a_page_that_is_not_there(self):
        self.assertEqual(self.check(self.PAGE, header="// See docs/reference/thing.md.\n" + COMBINATOR), [])
        self.assertEqual(self.check(self.PAGE, header="// See docs/how-to/thing.md.\n" + COMBINATOR),
                         [f"{HEADER}: refers to docs/how-to/thing.md, which is not there"])

    def test_a_page_that_the_index_forgets(self):
        self.assertEqual(self.check(self.PAGE, "nothing"), ["docs/reference/index.md: does not link to thing.md"])


class ThisLibrary(unittest.TestCase):
    def test_a_section_taken_out_of_a_combinator_is_found(self):
        for header in ("when_all", "when_all_settled", "retry_rejected", "retry", "composed"):
            path = f"include/fanout/{header}.hpp"
            text = (ROOT / path).read_text()
            found = next(e for e in entities(text, path) if e.name == header)
            self.assertEqual(check_docs.kind_of(found), "combinator")
            for title in re.findall(r"^/// @par (.+)\n", text, re.MULTILINE):
                without = text.replace(f"/// @par {title}\n", "")
                self.assertTrue(complaints(without, path), f"{path} without {title}")


if __name__ == "__main__":
    unittest.main()
