# SPDX-License-Identifier: BSL-1.0
"""What a header of this library declares in public, with the comment on each: for scripts/check_docs.py.

Public is what namespace fanout has, outside of `detail` and of the private parts of classes. It knows as much of C++ as the
headers here need, and was held against what Doxygen finds in them: the same functions, but those of private nested classes.
"""

import re

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
        elif "constexpr" in words and kind == "namespace":
            named = plain[:words.index("=")] if "=" in words else plain
            if named[-1].kind == "word":  # otherwise a specialisation, of what has its comment
                self.entities.append(Entity(self.header, "variable", named[-1].text, scope[1:], declaration, comment))

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


def public_entities(header, text):
    """The public entities of a header, in its order."""
    return Parser(header, text).parse()
