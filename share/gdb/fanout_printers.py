# SPDX-License-Identifier: BSL-1.0
"""What gdb shows of fanout: outcomes as words, and, by `info fanouts`, the fan-outs that run.

    (gdb) source /usr/share/fanout/gdb/fanout_printers.py

Nothing of the program is called, so core files do as well. docs/how-to/debug-with-gdb.md says more.
"""

import os
import re

import gdb
import gdb.printing


class Misfit(Exception):
    """These printers were written for another version of the library, of Asio or of Outcome."""


# ---- values


def bare(type_):
    """The type without references, qualifiers and typedefs."""
    type_ = type_.strip_typedefs()
    if type_.code in (gdb.TYPE_CODE_REF, gdb.TYPE_CODE_RVALUE_REF):
        type_ = type_.target().strip_typedefs()
    return type_.unqualified()


def is_class(type_):
    return type_.code in (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION)


def template_of(type_):
    """`a::b` of `a::b<c>::d<e>::f`, or the type's name where it is no template."""
    return (type_.name or "").split("<", 1)[0]


def find(value, name):
    """A member of a class, of any of its bases or of an unnamed union; None where there is none of that name."""
    fields = value.type.strip_typedefs().fields()
    for f in fields:
        if f.name == name:
            return value[f]
    for f in fields:
        if f.is_base_class or (not f.name and is_class(bare(f.type))):
            inner = find(value[f], name)
            if inner is not None:
                return inner
    return None


def member(value, *path):
    for name in path:
        inner = find(value, name)
        if inner is None:
            raise Misfit(f"fanout_printers.py: {template_of(bare(value.type))} has no member '{name}': "
                         "it is of another version than these printers")
        value = inner
    return value


def deref(value):
    """The object that a reference names."""
    if value.type.strip_typedefs().code in (gdb.TYPE_CODE_REF, gdb.TYPE_CODE_RVALUE_REF):
        return value.referenced_value()
    return value


def in_optional(value):
    """What a std::optional holds, or None."""
    payload = member(value, "_M_payload")
    return member(payload, "_M_payload", "_M_value") if member(payload, "_M_engaged") else None


def in_vector(value):
    """The elements of a std::vector."""
    first, end = member(value, "_M_impl", "_M_start"), member(value, "_M_impl", "_M_finish")
    while first != end:
        yield first.dereference()
        first += 1


def count_in_vector(value):
    return int(member(value, "_M_impl", "_M_finish") - member(value, "_M_impl", "_M_start"))


def short(value, most=60):
    """A value on one line."""
    try:
        text = value.format_string(max_elements=8, max_depth=3, pretty_structs=False, pretty_arrays=False)
    except gdb.error as e:
        text = f"<{e}>"
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 1] + "…"


def plural(n, word):
    return f"{n} {word}" + ("" if n == 1 else "s")


# ---- errors and outcomes

FANOUT_ERRORS = {
    1: "timed out",
    2: "cancelled by a sibling",
    3: "cancelled by the caller",
    4: "not started",
    5: "rejected",
    6: "rejected with fanout::errc::reentrant_limit",
}


def error_of(code):
    """The category, as the type of its object, and the number of a boost::system::error_code."""
    data = member(code, "d1_")
    number = int(member(data, "val_"))
    flags = int(member(code, "lc_flags_"))
    if flags == 1:
        return "std::error_code", None
    if flags == 0:
        return "boost::system::detail::system_error_category", number
    category = member(data, "cat_")
    return (bare(category.dynamic_type.target()).name or "?"), number


def say_error(code):
    category, number = error_of(code)
    if number is None:
        return "a std::error_code"
    if category == "fanout::detail::category_type":
        return FANOUT_ERRORS.get(number, f"fanout:{number}")
    if category.endswith(("system_error_category", "generic_error_category")):
        return f"{'system' if 'system_error' in category else 'generic'}:{number} ({os.strerror(number)})"
    known = re.match(r"boost::asio::.*error::detail::(\w+)_category", category)
    return f"asio.{known[1]}:{number}" if known else f"{category}:{number}"


def symbol_at(address):
    """`vtable for x`, `typeinfo for x`."""
    text = gdb.execute(f"info symbol {address:#x}", to_string=True).strip()
    return re.sub(r"(@.*| \+ \d+.*| in section .*)$", "", text)


def word_at(address):
    word = gdb.lookup_type("unsigned long")
    return int(gdb.Value(address).cast(word.pointer()).dereference())


def text_within(info):
    """Where the text of a std::runtime_error or logic_error is in an object of that std::type_info; None where it is none.
    The Itanium ABI's type_info names the bases, also where the program has no debug information of the type."""
    if symbol_at(info) in ("typeinfo for std::runtime_error", "typeinfo for std::logic_error"):
        return 8
    kind = symbol_at(word_at(info))
    bases = []
    if kind.endswith("__si_class_type_info"):
        bases = [(word_at(info + 16), 0)]
    elif kind.endswith("__vmi_class_type_info"):
        count = word_at(info + 16) >> 32
        bases = [(word_at(info + 24 + 16 * i), word_at(info + 32 + 16 * i)) for i in range(min(count, 16))]
        bases = [(base, flags >> 8) for base, flags in bases if not flags & 1]  # no virtual ones
    for base, offset in bases:
        inner = text_within(base)
        if inner is not None:
            return offset + inner
    return None


def say_exception(pointer):
    """What a std::exception_ptr holds: `std::runtime_error "the text"`. None for nothing."""
    thrown = int(member(pointer, "_M_exception_object"))
    if thrown == 0:
        return None
    if gdb.lookup_type("void").pointer().sizeof != 8:
        return "an exception"
    # The Itanium ABI's __cxa_exception stands before the object, 112 bytes on 64-bit machines; first the type.
    info = word_at(thrown - 112)
    symbol = symbol_at(info)
    if not symbol.startswith("typeinfo for "):
        return "an exception"
    name = re.sub(r"^boost::wrapexcept<(.*)>$", r"\1", symbol.removeprefix("typeinfo for "))
    try:
        text = text_within(info)
        if text is not None:
            characters = gdb.Value(word_at(thrown + text)).cast(gdb.lookup_type("char").pointer())
            return f'{name} "{characters.string(errors="replace", length=-1)}"'
    except gdb.error:
        pass  # a core file that leaves out what is in the executable
    return name


def guarded(f):
    """Shows what is wrong in place of the value."""

    def to_string(self):
        try:
            return f(self)
        except (Misfit, gdb.error) as e:
            return f"<{e}>"

    return to_string


class Outcome:
    """A settled<T>, or another of Boost.Outcome's that holds an error_code: its state, and the value."""

    def __init__(self, value):
        self.state = member(value, "_state")
        status = int(member(self.state, "_status", "status_value"))
        self.has_value, self.has_error, self.has_exception = (bool(status & bit) for bit in (1, 2, 4))
        self.pointer = find(value, "_ptr")

    @guarded
    def to_string(self):
        if self.has_value:
            return "fulfilled"
        thrown = say_exception(self.pointer) if self.has_exception and self.pointer is not None else None
        if not self.has_error:
            return f"rejected: {thrown}" if thrown else "empty"
        category, number = error_of(member(self.state, "_error"))
        text = say_error(member(self.state, "_error"))
        if category != "fanout::detail::category_type":
            text = f"rejected with {text}"
        return f"{text}: {thrown}" if thrown else text

    def children(self):
        if self.has_value:
            value = find(self.state, "_value")
            if value is not None and not (is_class(bare(value.type)) and bare(value.type).name.endswith("void_type")):
                yield "value", value


class Failure:
    """A fanout::failure or first_failure: input, attempts, the last error and the first."""

    def __init__(self, value):
        self.value = value

    @guarded
    def to_string(self):
        v = self.value
        attempts = find(v, "attempts")
        text = f"input {int(member(v, 'index'))}"
        if attempts is not None:
            text += f", {plural(int(attempts), 'attempt')}"
        thrown = say_exception(member(v, "exception"))
        return f"{text}: {say_error(member(v, 'error'))}" + (f": {thrown}" if thrown else "")


class Retried:
    """A retried<T>: each outcome, and how often its input was run."""

    def __init__(self, value):
        self.outcomes = list(in_vector(member(value, "outcomes")))
        self.attempts = [int(a) for a in in_vector(member(value, "attempts"))]

    @guarded
    def to_string(self):
        failed = sum(not Outcome(o).has_value for o in self.outcomes)
        retries = sum(a - 1 for a in self.attempts if a > 1)
        return (f"{plural(len(self.outcomes), 'input')}, {failed} without a value, "
                f"{retries} {'retry' if retries == 1 else 'retries'}")

    def children(self):
        for i, (outcome, attempts) in enumerate(zip(self.outcomes, self.attempts)):
            yield f"[{i}] after {plural(attempts, 'attempt')}", outcome


# ---- a fan-out

COMBINATORS = {
    "all_sink": "when_all",
    "checked_tuple_all_sink": "when_all",
    "tuple_all_sink": "when_all",
    "settled_sink": "when_all_settled",
    "tuple_settled_sink": "when_all_settled",
    "retried_sink": "retry_rejected",
    "retried_children_sink": "retry_rejected",
    "single_sink": "retry",
}


def enumerator(value):
    return str(value).rsplit("::", 1)[-1]


class Lane:
    """A lane, and the attempt that it runs."""

    def __init__(self, value):
        self.value = value
        self.number = int(member(value, "number"))
        self.index = int(member(value, "work", "index"))
        self.attempt = int(member(value, "work", "attempt"))
        self.running = bool(member(value, "running"))
        self.cause = enumerator(member(value, "cause"))

    def input(self):
        """The input, where there is one: an element of a range, by its place or kept here."""
        kept = find(member(self.value, "item"), "input")
        if kept is None:
            return None
        type_ = bare(kept.type)
        if type_.code == gdb.TYPE_CODE_PTR:
            return kept.dereference()
        if template_of(type_) == "std::optional":
            return in_optional(kept)
        return find(kept, "value") if is_class(type_) else None

    def to_string(self):
        if not self.running:
            return f"lane {self.number}: runs no child"
        text = f"lane {self.number}: input {self.index}"
        value = self.input()
        if value is not None:
            text += f" = {short(value)}"
        if self.attempt > 1:
            text += f", attempt {self.attempt}"
        if self.cause != "none":
            text += f", asked to end ({self.cause})"
        return text


class FanOut:
    """A fanout::detail::fan_out."""

    def __init__(self, value):
        self.value = value
        core = member(value, "core_")
        self.pulled = int(member(core, "next_"))
        self.permits = int(member(core, "running_"))
        self.parked = int(member(core, "parked_")) + int(member(core, "resumable_"))
        self.skipped = int(member(core, "skipped_"))
        self.window = int(member(core, "config_", "window"))
        self.exhausted = bool(member(core, "exhausted_"))
        self.asking = bool(member(core, "asking_"))
        self.finished = bool(member(core, "finished_"))
        self.stop = enumerator(member(core, "stop_"))
        self.sleeping = member(core, "sleeping_")
        self.references = int(member(value, "references_", "_M_i"))
        self.job = member(value, "job_")

    def combinator(self):
        sink = template_of(bare(member(self.job, "sink_").type)).rsplit("::", 1)[-1]
        return COMBINATORS.get(sink, "fan-out")

    def total(self):
        """How many inputs there are, where that is known."""
        inputs = find(self.job, "inputs_")
        if inputs is not None:
            known = in_optional(inputs)
            return int(known) if known is not None else self.pulled if self.exhausted else None
        return int(bare(member(self.value, "lanes_").type).template_argument(2))  # a lane for each child

    def lanes(self):
        """The live lanes, by their number."""
        lanes = []
        at = member(self.value, "lanes_", "live_")
        while int(at) != 0:
            lanes.append(Lane(at.dereference()))
            at = member(at.dereference(), "next")
        return sorted(lanes, key=lambda l: l.number)

    def plausible(self):
        """Not merely memory that once was a fan-out, or was to become one."""
        if not 0 < self.references < 1 << 32 or self.pulled < self.permits or self.finished:
            return False
        live = member(self.value, "lanes_", "live_")
        return int(live) == 0 or int(member(live.dereference(), "previous")) == 0

    def asleep(self):
        for s in in_vector(self.sleeping):
            yield int(member(s, "what", "index")), int(member(s, "what", "attempt"))

    def to_string(self):
        sleeping = count_in_vector(self.sleeping)
        total = self.total()
        running = sum(l.running for l in self.lanes())
        settled = self.pulled - self.permits - sleeping - self.parked - self.skipped
        counts = [f"{running} running"]
        if self.permits > running:
            counts.append(f"{self.permits - running} starting or ending")
        if sleeping:
            counts.append(f"{sleeping} asleep before another attempt")
        if self.parked:
            counts.append(f"{self.parked} waiting for their key or weight")
        counts.append(f"{settled} settled")
        if total is not None:
            counts.append(f"{total - self.pulled + self.skipped} not started")
        elif not self.exhausted:
            counts.append("more to come")
        text = f"{self.combinator()} of {'?' if total is None else total}: {', '.join(counts)}"
        if self.window < 1 << 62:
            text += f"; at most {self.window} at a time"
        if self.asking:
            text += "; waits for a permit"
        if self.stop != "none":
            text += f"; stopped ({self.stop})"
        return text


class LanePrinter:
    def __init__(self, value):
        self.value = value

    @guarded
    def to_string(self):
        return Lane(self.value).to_string()


class FanOutPrinter:
    def __init__(self, value):
        self.value = value

    @guarded
    def to_string(self):
        return FanOut(self.value).to_string()

    def children(self):
        try:
            for lane in FanOut(self.value).lanes():
                yield f"[{lane.number}]", lane.value
        except (Misfit, gdb.error):
            return  # to_string says it


# ---- where fan-outs are found: in the frames of all threads, in suspended coroutines, in what an io_context holds

AWAITABLE = "boost::asio::detail::awaitable_"
STRAND = "boost::asio::detail::strand_executor_service"
FAN_OUT = "fanout::detail::fan_out"
LANE = "fanout::detail::lane"
OPERATION = "boost::asio::detail::scheduler_operation"
SCHEDULERS = {"boost::asio::io_context": "impl_", "boost::asio::thread_pool": "scheduler_"}


def tells(type_):
    """Whether values of a type may lead to a fan-out."""
    type_ = bare(type_)
    while type_.code in (gdb.TYPE_CODE_PTR, gdb.TYPE_CODE_ARRAY):
        type_ = bare(type_.target())
    if not is_class(type_):
        return False
    name = type_.name or ""
    return ("fanout::detail::" in name or AWAITABLE in name or STRAND in name or not name
            or name in ("boost::asio::detail::scheduler", "boost::asio::detail::scheduler_thread_info"))


def derives_from(type_, names):
    type_ = type_.strip_typedefs()
    return is_class(type_) and (
        type_.name in names or any(derives_from(f.type, names) for f in type_.fields() if f.is_base_class))


def block_of_function(address):
    block = gdb.block_for_pc(address)
    while block is not None and block.function is None:
        block = block.superblock
    return block


class Search:
    """Collects fan-outs, and the coroutines that are suspended on behalf of each lane."""

    most = 200000  # values that are looked at

    def __init__(self):
        self.fan_outs = {}
        self.functions = {}  # of a lane, or of who awaits a fan-out: the innermost first
        self.lane_that_waits = {}  # for a fan-out that is a child of another
        self.seen = set()
        self.types = {}
        self.pending = []
        self.misfit = None

    def all_threads(self):
        thread, frame = gdb.selected_thread(), None
        if thread is None:
            raise gdb.GdbError("info fanouts: there is no process, nor a core file")
        try:
            frame = gdb.selected_frame()
            for t in gdb.selected_inferior().threads():
                t.switch()
                f = gdb.newest_frame()
                while f is not None:
                    self.frame(f)
                    f = f.older()
        finally:
            thread.switch()
            if frame is not None and frame.is_valid():
                frame.select()
        self.run()

    def frame(self, frame):
        try:
            block = frame.block()
        except RuntimeError:
            return  # nothing is known of its function
        line = frame.find_sal().line
        while block is not None:
            for symbol in block:
                # What is declared further down holds whatever was there before.
                if symbol.is_argument or (symbol.is_variable and symbol.line < line):
                    if tells(symbol.type):
                        try:
                            self.pending.append(symbol.value(frame))
                        except (gdb.error, NotImplementedError):
                            pass
            if block.function is not None:
                break
            block = block.superblock

    def run(self):
        while self.pending and len(self.seen) < self.most:
            try:
                self.look(self.pending.pop())
            except gdb.error:
                pass  # memory that is not there
            except Misfit as e:
                self.misfit = e

    def look(self, value):
        value = deref(value)
        type_ = bare(value.type)
        if type_.code == gdb.TYPE_CODE_PTR:
            target = bare(type_.target())
            followed = ("fanout::detail::", AWAITABLE, STRAND, "boost::asio::detail::scheduler")
            if int(value) == 0 or not is_class(target) or not (target.name or "").startswith(followed):
                return
            value, type_ = value.dereference(), target
        if type_.code == gdb.TYPE_CODE_ARRAY:
            first, last = type_.range()
            self.pending.extend(value[i] for i in range(first, last + 1))
            return
        if not is_class(type_):
            return
        name = type_.name or ""
        key = (int(value.address) if value.address is not None else id(value), name)
        if key in self.seen:
            return
        self.seen.add(key)
        template = template_of(type_)
        if template == FAN_OUT and name.endswith(">"):
            self.fan_out(value)
        elif name == "fanout::detail::any_fan_out":
            block = block_of_function(int(member(value, "functions_").dereference()["destroy"]))
            self_ = next((s for s in block or () if s.name == "self"), None)
            if self_ is not None:
                self.pending.append(value.address.cast(bare(self_.type.target()).pointer()))
        elif template == "fanout::detail::operation_end":
            self.handler_lane(value, type_)
        elif self.is_base_of_fan_out(type_):
            self.pending.append(value.address.cast(type_.template_argument(0).pointer()))
        elif template == AWAITABLE + "thread":
            self.thread_of_awaitables(value)
        elif name == "boost::asio::detail::scheduler":
            self.scheduler(value)
        elif name == "boost::asio::detail::scheduler_thread_info":
            self.queue(member(value, "private_op_queue"))
        elif name == STRAND + "::strand_impl":
            self.queue(member(value, "waiting_queue_"))
            self.queue(member(value, "ready_queue_"))
        else:
            self.members(value, type_)

    def members(self, value, type_):
        for f in type_.fields():
            if hasattr(f, "bitpos") and (f.is_base_class or tells(f.type)):
                self.pending.append(value[f])

    @staticmethod
    def is_base_of_fan_out(type_):
        if not (type_.name or "").startswith("fanout::detail::"):
            return False
        try:
            first = type_.template_argument(0)
        except (RuntimeError, gdb.error):
            return False
        return (isinstance(first, gdb.Type) and template_of(first) == FAN_OUT
                and derives_from(bare(first), (type_.name,)))

    def fan_out(self, value):
        f = FanOut(value)
        if f.plausible() and int(value.address) not in self.fan_outs:
            self.fan_outs[int(value.address)] = f
            handler = member(value, "completion_", "handler_")
            self.waits_for(int(value.address), handler)
            self.pending.append(handler)  # it may be a child's of another fan-out

    def handler_lane(self, value, type_):
        """Its lane holds the operation's memory, and that names the owner."""
        lane = member(value, "lane_")
        if int(lane) != 0:
            owner = member(lane.dereference(), "memory", "owner")
            self.pending.append(owner.cast(type_.template_argument(0).pointer()))

    # ---- suspended coroutines

    def stack_of(self, thread):
        """The coroutines of an awaitable's thread, the innermost first: symbol and frame."""
        bottom = member(thread, "bottom_of_stack_", "frame_")
        if int(bottom) == 0:
            return
        at = member(bottom.dereference(), "top_of_stack_")
        while int(at) != 0:
            handle = member(at.dereference(), "coro_", "_M_fr_ptr")
            resume = int(handle.cast(gdb.lookup_type("long").pointer()).dereference())
            block = block_of_function(resume)
            if block is not None:
                yield block, handle
            at = member(at.dereference(), "caller_")

    def thread_of_awaitables(self, thread):
        names = []
        for block, handle in self.stack_of(thread):
            if not block.function.name.startswith(("fanout::detail::", "boost::asio::")):
                names.append(self.pretty(block))
                continue
            for value in self.parameters(block, int(handle)):
                self.lane_of(value, names)
                self.pending.append(value)

    @staticmethod
    def parameters(block, frame):
        """The parameters of a coroutine that may lead on, where they are kept in its frame."""
        for _, type_, offset in Search.clang_parameters(block) or Search.gcc_parameters(block):
            if tells(type_):
                yield gdb.Value(frame + offset).cast(type_.pointer()).dereference()

    @staticmethod
    def stored(type_):
        type_ = type_.strip_typedefs()
        is_reference = type_.code in (gdb.TYPE_CODE_REF, gdb.TYPE_CODE_RVALUE_REF)
        return type_.target().pointer() if is_reference else type_

    @staticmethod
    def clang_parameters(block):
        layout = next((s.type for s in block if s.name == "__coro_frame"), None)
        offsets = {f.name: f.bitpos // 8 for f in layout.fields()} if layout is not None else {}
        return [(s.name, Search.stored(s.type), offsets[s.name]) for s in block if s.is_argument and s.name in offsets]

    @staticmethod
    def gcc_parameters(block):
        """GCC puts them behind two functions, the promise and its handle. (gdb does not know the members of the frames of
        functions in namespaces, but the types of the variables.)"""
        at, found = None, []
        for symbol in block:
            if symbol.name == "_Coro_resume_index":
                break
            if at is None and symbol.name == "_Coro_promise":
                at = 2 * 8 + symbol.type.sizeof
            elif at is not None:
                type_ = Search.stored(symbol.type)
                at = -(-at // type_.alignof) * type_.alignof
                if symbol.name != "_Coro_self_handle":
                    found.append((symbol.name, type_, at))
                at += type_.sizeof
        return found

    def lane_of(self, value, names):
        """Notes the coroutines of a lane, which a parameter points to, or the handler within it."""
        type_ = bare(value.type)
        if type_.code == gdb.TYPE_CODE_PTR and is_class(bare(type_.target())):
            if template_of(bare(type_.target())) == LANE:
                self.functions[int(value)] = names
        elif is_class(type_):
            for handler in ("handler", "handler_"):
                inner = find(value, handler)
                lane = find(inner, "lane_") if inner is not None and is_class(bare(inner.type)) else None
                if lane is not None:
                    self.functions[int(lane)] = names

    def waits_for(self, address, handler):
        """Notes whose coroutine, or which lane, a fan-out's completion handler belongs to."""
        if find(handler, "bottom_of_stack_") is not None:
            self.functions[address] = [self.pretty(block) for block, _ in self.stack_of(handler)
                                       if not block.function.name.startswith(("fanout::detail::", "boost::asio::"))]
        elif find(handler, "lane_") is not None:
            self.lane_that_waits[address] = int(find(handler, "lane_"))

    @staticmethod
    def pretty(block):
        """The name of a coroutine as it is written, which GCC keeps in the name of its frame's type."""
        frame = next((s.type for s in block if s.is_argument and s.name == "frame_ptr"), None)
        mangled = re.match(r"(_Z\w+)", str(frame.strip_typedefs().target()) if frame is not None
                           else block.function.linkage_name)
        if mangled:
            name = gdb.execute(f"demangle {mangled[1]}", to_string=True).strip()
            if not name.startswith("Can't"):
                return name
        return block.function.name.split("(", 1)[0]

    # ---- what a scheduler holds

    def queue(self, queue):
        at = member(queue, "front_")
        while int(at) != 0:
            self.operation(at.dereference())
            at = member(at.dereference(), "next_")

    def operation(self, op):
        """An operation is known by the function that completes it, which casts it to what it is."""
        function = int(member(op, "func_"))
        if function not in self.types:
            block = block_of_function(function)
            self.types[function] = next(
                (s.type for s in block or () if s.is_variable and not s.is_argument
                 and s.type.strip_typedefs().code == gdb.TYPE_CODE_PTR
                 and is_class(bare(s.type.strip_typedefs().target()))
                 and derives_from(bare(s.type.strip_typedefs().target()), (OPERATION,))), None)
        type_ = self.types[function]
        if type_ is not None:
            value = op.address.cast(type_).dereference()
            self.members(value, bare(value.type))

    def scheduler(self, scheduler):
        self.queue(member(scheduler, "op_queue_"))
        task = member(scheduler, "task_")
        if int(task) == 0:
            return
        reactor = task.cast(task.dynamic_type).dereference()
        descriptor = member(reactor, "registered_descriptors_", "live_list_")
        while int(descriptor) != 0:
            queues = member(descriptor.dereference(), "op_queue_")
            for i in range(queues.type.range()[1] + 1):
                self.queue(queues[i])
            # Its base is an operation, which has a next_ of its own.
            descriptor = next(descriptor.dereference()[f] for f in bare(descriptor.type.target()).fields()
                              if f.name == "next_")
        timers = member(reactor, "timer_queues_", "first_")
        while int(timers) != 0:
            queue = timers.cast(timers.dynamic_type).dereference()
            timer = member(queue, "timers_")
            while int(timer) != 0:
                self.queue(member(timer.dereference(), "op_queue_"))
                timer = member(timer.dereference(), "next_")
            timers = next(timers.dereference()[f] for f in bare(timers.type.target()).fields() if f.name == "next_")


class InfoFanouts(gdb.Command):
    """The fan-outs that run: how many lanes, which inputs, what sleeps, and who waits.
info fanouts [EXPRESSION]

Without an expression they are looked for in the frames of all threads, in the coroutines that are suspended there, and in
what the io_contexts hold that these threads run. EXPRESSION is a fan-out, or anything that leads to one, such as an
io_context. $fanout1, $fanout2 and so on then point to those found."""

    def __init__(self):
        super().__init__("info fanouts", gdb.COMMAND_STATUS)

    def invoke(self, argument, from_tty):
        search = Search()
        if argument:
            value = gdb.parse_and_eval(argument)
            scheduler = SCHEDULERS.get(bare(value.type).name)
            search.pending.append(member(deref(value), scheduler) if scheduler else value)
            search.run()
        else:
            search.all_threads()
        if search.misfit:
            print(search.misfit)
        if not search.fan_outs:
            print("no fan-out is to be seen from here")
            return
        found = sorted(search.fan_outs.values(), key=lambda f: int(f.value.address) in search.lane_that_waits)
        for n, f in enumerate(found, 1):
            gdb.set_convenience_variable(f"fanout{n}", f.value.address)
            try:
                self.show(n, f, search, found)
            except (Misfit, gdb.error) as e:
                print(f"*$fanout{n}: {e}")

    @staticmethod
    def show(n, f, search, found):
        print(f"*$fanout{n} = {f.to_string()}")
        address = int(f.value.address)
        callers = search.functions.get(address)
        if callers:
            print(f"    awaited by {' < '.join(callers)}")
        waits = search.lane_that_waits.get(address)
        for m, other in enumerate(found, 1):
            for lane in other.lanes() if waits else ():
                if int(lane.value.address) == waits:
                    print(f"    input {lane.index} of *$fanout{m}")
        for lane in f.lanes():
            names = search.functions.get(int(lane.value.address))
            print(f"    {lane.to_string()}" + (f", in {' < '.join(names)}" if names and lane.running else ""))
        asleep = list(f.asleep())
        for index, attempt in asleep[:20]:
            print(f"    asleep: input {index}, before attempt {attempt}")
        if len(asleep) > 20:
            print(f"    and {len(asleep) - 20} more")


# ---- what gdb is told


def printers():
    of_type = gdb.printing.RegexpCollectionPrettyPrinter("fanout")
    outcome = r"^boost::outcome_v2::basic_(outcome|result)<.*boost::system::error_code.*>$"
    of_type.add_printer("outcome", outcome, Outcome)
    of_type.add_printer("failure", r"^fanout::(first_)?failure$", Failure)
    of_type.add_printer("retried", r"^fanout::retried<.*>$", Retried)
    of_type.add_printer("lane", r"^fanout::detail::lane<.*>$", LanePrinter)
    of_type.add_printer("fan_out", r"^fanout::detail::fan_out<.*>$", FanOutPrinter)
    return of_type


def come_first(objfile):
    """Newer Boost embeds printers for Outcome into programs; gdb asks these before ours, unless ours stand there as well."""
    if any(getattr(p, "name", "").startswith("outcome") for p in objfile.pretty_printers):
        gdb.printing.register_pretty_printer(objfile, printers(), replace=True)


gdb.printing.register_pretty_printer(None, printers(), replace=True)
gdb.events.new_objfile.connect(lambda event: come_first(event.new_objfile))
for loaded in gdb.objfiles():
    come_first(loaded)
InfoFanouts()
