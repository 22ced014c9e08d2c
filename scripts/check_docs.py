#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""scripts/check_docs.py [ROOT]: each public function says what it promises, and each public header has its page.

Public is what `include/**/*.hpp` declares in namespace fanout, outside of `detail` (the folder and the namespace) and of
the private parts of classes. What a comment must say depends on what it stands on:

  a combinator: named as its header in include/fanout, and `[[nodiscard]]`, of return type `auto`, or a function object
               all sections: brief, example, parameters, returns, completes when, errors, order of results (where there
               are several), per-operation cancellation, executor, thread safety, exception safety, lifetimes,
               complexity, see also
  another free function
               brief; each parameter by name; @returns, unless it is void or the brief begins with "The"; a template
               that returns something and takes something by a reference which is not const: Lifetimes
  an asynchronous member (`async_…`, or one that returns an awaitable)
               brief, Completes when, Errors, Per-operation cancellation
  another member, a class, an enumeration, a concept, an alias, a constant
               brief
  any function in which there is a `throw`, or a call of `require…` or `check…`
               @throws, Errors or Exception safety
  a class that cannot be copied, or gives out permits: what is shared
               Thread safety and Lifetimes as well

The sections stand in that order. `@param`, `@returns` and `@throws` are sections; the others are
`@par <name>`, and `@par Executor, thread safety, lifetimes` is three. Where one parameter has a `@param`, all have. A group
(`@{` to `@}`) shares the comment above it.
What is `= default` or `= delete`, a destructor, and what copies and moves a class need no comment.

The page of `include/fanout/<path>.hpp` is `docs/reference/<path>.md`: it names each public name of the header, has these
sections, where it has them, in the same order, and is in the table of `docs/reference/index.md`. A page of a header that is
gone is found, too.
"""

import re
import sys
from pathlib import Path

from declarations import public_entities

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
    if entity.kind in ("function", "variable") and Path(entity.header) == Path("include/fanout", f"{entity.name}.hpp"):
        nodiscard = any(t.text == "nodiscard" for t in entity.declaration)
        if entity.kind == "variable" or nodiscard or "auto" in entity.result:
            return "combinator"
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
    for line, following in zip(entity.comment, [*entity.comment[1:], ""]):
        if line.strip().startswith("@par ") and (not following.strip() or following.strip().startswith("@")):
            complaints.append(f"{where}: {line.strip()} is empty")
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
    if entity.kind != "variable":  # a function object's parameters are its class's
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
        text = (root / header).read_text()
        for page in re.findall(r"\bdocs/[\w/-]+\.md\b", text):
            if not (root / page).is_file():
                complaints.append(f"{header}: refers to {page}, which is not there")
        entities = public_entities(header, text)
        functions += sum(e.kind in ("function", "member") for e in entities)
        for entity in entities:
            complaints += check_comment(entity)
        complaints += check_page(root, header, entities)
    for page in sorted((root / "docs/reference").rglob("*.md")):
        for header in re.findall(r"^`#include <(.*)>`$", page.read_text(), re.MULTILINE):
            if f"include/{header}" not in headers:
                complaints.append(f"{page.relative_to(root).as_posix()}: there is no header {header}")
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
