#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""scripts/check_docs.py [ROOT]: each public function says what it promises, and each public header has its page.

Public is what `include/**/*.hpp` declares in namespace fanout, outside of `detail` (the folder and the namespace) and of
the private parts of classes. What a comment must say depends on what it stands on:

  a combinator: a `[[nodiscard]]` function that is named as its header
               all sections: brief, example, parameters, returns, completes when, errors, order of results (where there
               are several), per-operation cancellation, executor, thread safety, exception safety, lifetimes,
               complexity, see also
  another free function
               brief; each parameter by name; @returns, unless it is void or the brief begins with "The": a template
               that takes something by a reference which is not const, and returns something: Lifetimes
  an asynchronous member (`async_…`, or one that returns an awaitable)
               brief, Completes when, Errors, Per-operation cancellation
  another member, a class, an enumeration, a concept, an alias
               brief
  any function in which there is a `throw`, or a call of `require…` or `check…`
               @throws, Errors or Exception safety
  a class that cannot be copied, or gives out permits: what is shared
               Thread safety and Lifetimes as well

The sections stand in that order, the order of STYLE. `@param`, `@returns` and `@throws` are sections; the others are
`@par <name>`, and `@par Executor, thread safety, lifetimes` is three. Where one parameter has a `@param`, all have. A group
(`@{` to `@}`) shares the comment above it.
What is `= default` or `= delete`, a destructor, and what copies and moves a class need no comment.

The page of `include/fanout/<path>.hpp` is `docs/reference/<path>.md`: it names each public name of the header, has these
sections, where it has them, in the same order, and is in the table of `docs/reference/index.md`.
"""

import re
import sys
from pathlib import Path

# The order of the sections, and how they may be called.
SECTIONS = {
    "brief": (),
    "example": (),
    "parameters": ("parameter", "members"),
    "returns": (),
    "completes when": (),
    "errors": ("throws",),
    "order of results": ("order",),
    "per-operation cancellation": ("cancellation",),
    "executor": (),
    "thread safety": (),
    "exception safety": (),
    "lifetimes": ("lifetime",),
    "complexity": ("complexity and allocations", "memory", "costs"),
    "see also": (),
}
ORDER = list(SECTIONS)
NAMES = {name: section for section, others in SECTIONS.items() for name in (section, *others)}
ONE_RESULT = ("retry", "composed")  # there is no order of results

TOKEN = re.compile(r"""
    (?P<doc>///[^\n]*|/\*\*.*?\*/) | (?P<comment>//[^\n]*|/\*.*?\*/) | (?P<directive>^[ \t]*\#(?:[^\n\\]|\\.|\\\n)*)
  | (?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*') | (?P<word>[A-Za-z_]\w*) | (?P<number>\d[\w.']*)
  | (?P<symbol>::|<=>|->|\.\.\.|&&|\|\||<<|==|!=|<=|\S)""", re.VERBOSE | re.DOTALL | re.MULTILINE)
CLOSING = {"(": ")", "[": "]", "{": "}", "<": ">"}


class Token:
    def __init__(self, kind, text, line):
        self.kind, self.text, self.line = kind, text, line

    def __repr__(self):
        return self.text


def tokens_of(text):
    found = []
    for match in TOKEN.finditer(text):
        if match.lastgroup in ("comment", "directive"):
            continue
        found.append(Token(match.lastgroup, match[0], text.count("\n", 0, match.start()) + 1))
    return found


class Entity:
    """Something public: where, what it is called, its declaration, its comment."""

    def __init__(self, header, kind, name, scope, declaration, comment, body=()):
        self.header, self.kind, self.name, self.scope = header, kind, name, scope
        self.declaration, self.comment, self.body = declaration, comment, body
        self.line = declaration[0].line if declaration else 1
        self.parts = []  # the declarations within a class

    def __str__(self):
        return "::".join([*self.scope, self.name])


class Parser:
    """Finds the public entities of one header. Knows as much of C++ as the headers of this library need."""

    def __init__(self, header, text):
        self.header, self.tokens, self.at = header, tokens_of(text), 0
        self.entities, self.access_of, self.group = [], {}, None

    def parse(self):
        self.scope_body([], "namespace", True)
        return self.entities

    # ---- the parts of a declaration

    def balanced(self, tokens, i):
        """The place behind the bracket that closes the one at `i`."""
        opening, closing, depth = tokens[i].text, CLOSING[tokens[i].text], 0
        while i < len(tokens):
            if opening == "<" and tokens[i].text in "([{":
                i = self.balanced(tokens, i)
                continue
            if tokens[i].text == opening:
                depth += 1
            elif tokens[i].text == closing:
                depth -= 1
                if depth == 0:
                    return i + 1
            i += 1
        raise SyntaxError(f"{self.header}: {opening} is not closed")

    def head(self):
        """Reads a declaration up to its `;` or the `{` of its body: (its tokens, the token that ends it)."""
        start, tokens = self.at, self.tokens
        initialised = constructor = False
        while self.at < len(tokens):
            t, before = tokens[self.at], tokens[self.at - 1] if self.at > start else None
            if t.text == ";":
                break
            if t.text == "operator":
                self.at += 1
                if tokens[self.at].text == "(":
                    self.at += 2
                else:
                    while tokens[self.at].text != "(":
                        self.at += 1
                continue
            if t.text == "requires" and before and before.text in ("requires", "&&", "||", "!", "="):
                self.at += 1  # an expression, with a body of its own
                if tokens[self.at].text == "(":
                    self.at = self.balanced(tokens, self.at)
                self.at = self.balanced(tokens, self.at)
                continue
            if t.text == "=":
                initialised = True
            if t.text == ":" and before and before.text in (")", "noexcept"):
                constructor = True
            if t.text == "{":
                if initialised or (constructor and before.kind == "word") or (
                        constructor and before.text == ">"):
                    self.at = self.balanced(tokens, self.at)
                    continue
                break
            if t.text in "([" or (t.text == "<" and not initialised and before and before.kind == "word"):
                self.at = self.balanced(tokens, self.at)
                continue
            self.at += 1
        return [t for t in tokens[start:self.at] if t.kind != "doc"], tokens[self.at].text

    @staticmethod
    def without(declaration, strip):
        """The declaration less its leading template heads and attributes."""
        i = 0
        parser = Parser("", "")
        while i < len(declaration):
            if declaration[i].text == "template" and declaration[i + 1].text == "<":
                i = parser.balanced(declaration, i + 1)
            elif strip and declaration[i].text == "requires":
                i += 1
                while declaration[i].text == "!":
                    i += 1
                if declaration[i].text == "requires":
                    i += 1
                    if declaration[i].text == "(":
                        i = parser.balanced(declaration, i)
                    i = parser.balanced(declaration, i)
                elif declaration[i].text == "(":
                    i = parser.balanced(declaration, i)
                else:
                    while declaration[i].kind == "word" or declaration[i].text == "::":
                        i += 1
                    if declaration[i].text == "<":
                        i = parser.balanced(declaration, i)
            elif declaration[i].text == "[" and declaration[i + 1].text == "[":
                i = parser.balanced(declaration, i)
            else:
                break
        return declaration[i:]

    def parameter_list(self, declaration):
        """(place of the name, place of its `(`) of a function; None for anything else."""
        i = 0
        while i < len(declaration):
            t, before = declaration[i], declaration[i - 1] if i else None
            if t.text == "operator":
                name = i
                i += 1
                if declaration[i].text == "(":
                    i += 2
                while declaration[i].text != "(":
                    i += 1
                return name, i
            if t.text in ("=", "using", "static_assert", "concept"):
                return None
            if t.text == "(" and before and before.kind == "word" and before.text not in (
                    "noexcept", "explicit", "alignas", "decltype", "requires"):
                return i - 1, i
            if t.text in "([" or (t.text == "<" and before and before.kind == "word"):
                i = self.balanced(declaration, i)
                continue
            i += 1
        return None

    # ---- scopes

    def comment_before(self):
        """The comment that stands here, if any; trailing `///<` ones belong to what was before."""
        lines = []
        while self.at < len(self.tokens) and self.tokens[self.at].kind == "doc":
            text = self.tokens[self.at].text
            self.at += 1
            if text.startswith("///<"):
                continue
            lines.append(text[3:] if text.startswith("///") else text[3:-2])
        return lines

    def scope_body(self, scope, kind, public, entity=None):
        tokens = self.tokens
        while self.at < len(tokens):
            comment = self.comment_before()
            if self.at >= len(tokens):
                return
            if any("@{" in line for line in comment):
                self.group = comment
            t = tokens[self.at]
            closes = [i for i, line in enumerate(comment) if "@}" in line]
            if closes:
                self.group, comment = None, comment[closes[-1] + 1:]
            if t.text == "}":
                self.at += 1
                return
            if t.text == ";":
                self.at += 1
                continue
            if kind == "class" and t.text in ("public", "private", "protected") and tokens[self.at + 1].text == ":":
                public = t.text == "public"
                self.at += 2
                continue
            line = t.line
            declaration, end = self.head()
            body_at = self.at
            self.declared(scope, kind, public, entity, declaration, end, comment or self.group)
            if end == ";" and self.at == body_at:
                self.at += 1
            if self.at < len(tokens) and tokens[self.at].text.startswith("///<") and self.entities:
                last = self.entities[-1]
                if last.line == line and not last.comment:
                    last.comment = [tokens[self.at].text[4:]]

    def declared(self, scope, kind, public, entity, declaration, end, comment):
        plain = self.without(declaration, True)
        words = [t.text for t in plain]
        first = words[0] if words else ""
        if first == "inline" and len(words) > 1 and words[1] == "namespace":
            first, words, plain = "namespace", words[1:], plain[1:]
        if first == "namespace":
            names = [w for w in words[1:] if w != "::"]
            self.at += 1
            self.scope_body([*scope, *names], "namespace", "detail" not in names and public)
            return
        ours = public and bool(scope) and scope[0] == "fanout"
        function = None if first == "friend" and end == ";" and "(" not in words else self.parameter_list(plain)
        if first in ("class", "struct", "union", "enum") and function is None and "=" not in words:
            self.type_declared(scope, ours, entity, declaration, plain, words, end, comment)
            return
        body = ()
        if end == "{":
            behind = self.balanced(self.tokens, self.at)
            body = self.tokens[self.at:behind]
            self.at = behind
        if entity is not None and public:
            entity.parts.append(plain)
        if not ours:
            return
        if function is not None:
            self.function_declared(scope, entity, declaration, plain, function, comment, body)
        elif "concept" in words or first == "using" and "=" in words:
            if kind == "namespace":
                name = words[words.index("concept" if "concept" in words else "using") + 1]
                self.entities.append(Entity(self.header, "concept" if "concept" in words else "alias", name,
                                            scope[1:], declaration, comment))

    def type_declared(self, scope, ours, entity, declaration, plain, words, end, comment):
        i = 1
        if words[0] == "enum" and words[1] in ("class", "struct"):
            i = 2
        if plain[i].text == "[":
            i = self.balanced(plain, i)
        name, i = [], i
        while i < len(plain) and plain[i].text not in (":", "final"):
            if plain[i].text == "<":
                i = self.balanced(plain, i)
                continue
            name.append(plain[i].text)
            i += 1
        names = [n for n in name if n != "::"]
        full = (*scope, *names)
        if end == ";":
            self.access_of[full] = ours
            return
        specialised = any(t.text == "<" for t in plain[:i]) and len(names) == 1
        visible = ours and not specialised
        if len(names) > 1:  # defined outside of its class, where it was declared
            visible = visible and self.access_of.get(full, False)
        made = Entity(self.header, "enum" if words[0] == "enum" else "class", names[-1],
                      [*scope[1:], *names[:-1]], declaration, comment)
        if visible:
            self.entities.append(made)
        if words[0] == "enum":
            self.at = self.balanced(self.tokens, self.at)
            return
        self.at += 1
        self.scope_body([*scope, *names], "class", visible and words[0] != "class", made)
        # scope_body's `public` follows the access; an invisible class has none
        if not visible:
            self.entities = [e for e in self.entities if tuple(["fanout", *e.scope])[:len(full)] != full]

    def function_declared(self, scope, entity, declaration, plain, function, comment, body):
        name_at, list_at = function
        if plain[name_at].text == "operator":
            name = "operator" + "".join(
                (" " if t.kind == "word" else "") + t.text for t in plain[name_at + 1:list_at])
        else:
            name = plain[name_at].text
            if name_at and plain[name_at - 1].text == "~":
                return  # a destructor
        if name_at and plain[name_at - 1].text == "::":
            return  # declared in its class
        if [t.text for t in plain[-2:]] in (["=", "default"], ["=", "delete"]):
            return
        behind = self.balanced(plain, list_at)
        parameters = parameters_of(plain[list_at + 1:behind - 1])
        if entity is not None and (name == entity.name or name == "operator="):
            if len(parameters) == 1 and entity.name in parameters[0][0] and "&" in "".join(parameters[0][0]):
                return  # copies or moves
        made = Entity(self.header, "member" if entity is not None else "function", name, scope[1:], declaration,
                      comment, body)
        made.parameters = parameters
        made.result = [t.text for t in plain[:name_at]]
        self.entities.append(made)


def parameters_of(tokens):
    """[(words of the type, name)] of a parameter list."""
    found, current, depth, default = [], [], 0, False
    for t in [*tokens, Token("symbol", ",", 0)]:
        depth += (t.text in "([{<") - (t.text in ")]}>")
        if t.text == "," and depth == 0:
            if current:
                named = len(current) > 1 and re.fullmatch(r"[a-z]\w*", current[-1]) and current[-2] not in (
                    "::", "const", "struct", "class")
                only_type = named and current[-1] in ("bool", "int", "double", "auto", "const")
                found.append((current[:-1], current[-1]) if named and not only_type else (current, None))
            current, default = [], False
        elif t.text == "=" and depth == 0:
            default = True
        elif not default:
            current.append(t.text)
    return found


# ---- comments

def sections_of(comment):
    """The sections of a comment, in its order: [(name of the section, as it is written)]; a strange one is (None, name)."""
    found = []
    for line in comment:
        stripped = line.strip()
        if stripped.startswith(("@tparam", "@param")):
            found.append(("parameters", stripped.split()[0]))
        elif stripped.startswith(("@returns", "@return")):
            found.append(("returns", "@returns"))
        elif stripped.startswith("@throws"):
            found.append(("errors", "@throws"))
        elif stripped.startswith("@see"):
            found.append(("see also", "@see"))
        elif stripped.startswith("@par "):
            title = stripped[len("@par "):]
            for name in re.split(r",\s*|\s+and\s+", title):
                found.append((NAMES.get(name.lower()), name))
        elif line.startswith("     ") and stripped and not found_sections(found):
            if not found or found[-1][0] != "example":
                found.append(("example", "the example"))
        elif stripped and not found and not stripped.startswith(("@{", "@}")):
            found.append(("brief", "brief"))
    return found


def found_sections(found):
    """Whether the text before the first section is over: code behind it belongs to the section."""
    return any(name not in ("brief", "example") for name, _ in found)


def kind_of(entity):
    if entity.kind == "function":
        folder, stem = Path(entity.header).parent.as_posix(), Path(entity.header).stem
        nodiscard = any(t.text == "nodiscard" for t in entity.declaration)
        if folder == "include/fanout" and stem == entity.name and nodiscard:
            return "combinator"
        return "function"
    if entity.kind == "member":
        if entity.name.startswith("async_") or "awaitable" in entity.result:
            return "asynchronous"
        return "member"
    if entity.kind == "class":
        deleted = any(p[-1].text == "delete" and entity.name in [t.text for t in p] for p in entity.parts if p)
        permits = any("permit_type" in [t.text for t in p] for p in entity.parts)
        return "shared class" if deleted or permits else "class"
    return entity.kind


def wanted(entity):
    """What the comment must have: the sections, and the names of the parameters."""
    kind = kind_of(entity)
    if kind == "combinator":
        return [s for s in ORDER if s != "order of results" or entity.name not in ONE_RESULT], []
    sections, parameters = ["brief"], []
    if kind == "asynchronous":
        sections += ["completes when", "errors", "per-operation cancellation"]
    elif kind == "shared class":
        sections += ["thread safety", "lifetimes"]
    elif kind == "function":
        parameters = [name for _, name in entity.parameters if name]
        returns = "void" not in entity.result
        if returns and not (entity.comment or [""])[0].strip().startswith("The "):
            sections.append("returns")
        template = entity.declaration[0].text == "template"
        if template and returns and any("&&" in t or "&" in t and "const" not in t for t, _ in entity.parameters):
            sections.append("lifetimes")
    if not any(s == "exception safety" for s, _ in sections_of(entity.comment)) and any(
            re.fullmatch(r"throw|(require|check)\w*", t.text) for t in [*entity.declaration, *entity.body]
            if t.text not in ("requires", entity.name)):
        sections.append("errors")
    return sections, parameters


def check_comment(entity):
    where = f"{entity.header}:{entity.line}: {entity}"
    if not entity.comment:
        return [f"{where}: has no comment"]
    complaints = []
    found = sections_of(entity.comment)
    for section, name in found:
        if section is None:
            complaints.append(f"{where}: @par {name} is none of the sections")
    names = [section for section, _ in found if section]
    sections, parameters = wanted(entity)
    for section in sections:
        if section not in names:
            complaints.append(f"{where}: nothing says: {section} ({kind_of(entity)})")
    text = "\n".join(entity.comment)
    told = {name for names in re.findall(r"@param ([\w,]+)", text) for name in names.split(",")}
    named = {name for _, name in getattr(entity, "parameters", ()) if name}
    for parameter in sorted(named if told else parameters):
        if parameter not in told and (told or f"`{parameter}`" not in text):
            complaints.append(f"{where}: nothing says: the parameter {parameter}")
    complaints += [f"{where}: there is no parameter {name}" for name in sorted(told - named)]
    return complaints + misordered(where, [(s, n) for s, n in found if s])


def misordered(where, found):
    complaints, last = [], (0, "")
    for section, name in found:
        place = ORDER.index(section)
        if place < last[0]:
            complaints.append(f"{where}: {name} belongs before {last[1]}")
        last = max(last, (place, name))
    return complaints


# ---- pages

def check_page(root, header, entities):
    page = root / "docs/reference" / Path(header).relative_to("include/fanout" if header != "include/fanout.hpp" else
                                                              "include").with_suffix(".md")
    name = page.relative_to(root).as_posix()
    if not page.is_file():
        return [f"{header}: has no page {name}"]
    text, complaints = page.read_text(), []
    if f"`#include <{Path(header).relative_to('include').as_posix()}>`" not in text:
        complaints.append(f"{name}: does not say `#include <{Path(header).relative_to('include').as_posix()}>`")
    for public in sorted({e.name for e in entities if not e.name.startswith("operator")}):
        if not re.search(rf"\b{re.escape(public)}\b", text):
            complaints.append(f"{name}: does not name {public}")
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    part = []  # the sections below one heading of a higher level
    for marks, heading in [*re.findall(r"^(##+) (.+)$", prose, re.MULTILINE), ("##", "")]:
        known = [NAMES[n.lower()] for n in re.split(r",\s*|\s+and\s+", heading) if n.lower() in NAMES]
        if known:
            part += [(k, heading) for k in known]
        else:
            complaints += misordered(name, part)
            part = []
    index = root / "docs/reference/index.md"
    link = page.relative_to(root / "docs/reference").as_posix()
    if f"]({link})" not in (index.read_text() if index.is_file() else ""):
        complaints.append(f"docs/reference/index.md: does not link to {link}")
    return complaints


def public_headers(root):
    """Their paths below the root, as text."""
    return [p.relative_to(root).as_posix() for p in sorted((root / "include").rglob("*.hpp"))
            if "detail" not in p.relative_to(root).parts]


def check(root):
    """(complaints, how many headers, how many functions)"""
    complaints, functions = [], 0
    headers = public_headers(root)
    for header in headers:
        entities = Parser(header, (root / header).read_text()).parse()
        functions += sum(e.kind in ("function", "member") for e in entities)
        for entity in entities:
            complaints += check_comment(entity)
        complaints += check_page(root, header, entities)
    return complaints, len(headers), functions


def main(arguments):
    if len(arguments) > 1 or any(a.startswith("-") for a in arguments):
        print(__doc__.splitlines()[0], file=sys.stderr)
        return 2
    root = Path(arguments[0]) if arguments else Path(__file__).resolve().parent.parent
    complaints, headers, functions = check(root)
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    print(f"{functions} functions in {headers} headers checked, {len(complaints)} complaints")
    return 1 if complaints or not functions else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
