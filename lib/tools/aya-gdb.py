# SPDX-License-Identifier: Apache-2.0
"""The tasks of a program that uses aya, for gdb: in a core dump, or in a process that gdb holds.

    gdb -batch -x aya-gdb.py -ex 'aya tasks' PROGRAM CORE
    gdb -batch -x aya-gdb.py -ex 'aya tasks' -p PID

It only reads. It finds the runtimes by the threads that run their tasks, so an event loop that nobody drives at the moment is not found. The
library has to have debug information (it has, unless it was built with -Dbuildtype=release); the program itself need not have any.
"""
import re

import gdb

DETAIL = "aya::v1::detail::"
ID_BITS = 52
WORD_PHASE, WORD_MUST_CANCEL, WORD_FUTURE, ONE_REQUEST = 3, 8, 32, 1 << 32
ACTIVE, WAITING, DONE = 0, 1, 2
DEEPEST_STACK = 100


def pointer_to(name):
    return gdb.lookup_type(DETAIL + name).pointer()


def held(value):
    """The number or pointer inside a std::atomic or std::unique_ptr, whatever the standard library makes it of."""
    if value.type.strip_typedefs().code != gdb.TYPE_CODE_STRUCT:
        return value
    for field in value.type.strip_typedefs().fields():
        if hasattr(field, "bitpos") and (found := held(value[field])) is not None:  # static members have no place
            return found
    return None


def number(value):
    return int(held(value))


def text_at(address):
    return gdb.Value(address).cast(gdb.lookup_type("char").const().pointer()).string(errors="replace")


def word_at(address):
    return int(gdb.Value(address).cast(gdb.lookup_type("unsigned long").pointer()).dereference())


# --- names ------------------------------------------------------------------------------------------------------------------------


def without_brackets(text):
    """Without what stands in angle brackets and parentheses."""
    plain, depth = "", 0
    for c in text:
        depth += c in "<("
        plain += c if depth == 0 else ""
        depth -= c in ">)"
    return plain


def function_name(pretty):
    """Of a function as the compiler writes it in full."""
    name = re.sub(r" \[[^\[\]]*(?:\[[^\[\]]*\][^\[\]]*)*\]$", "", pretty)
    name = name.replace("(anonymous namespace)::", "").replace("{anonymous}::", "").replace("<lambda", "lambda<")
    name = without_brackets(name.replace("operator()", "")).strip()
    name = re.sub(r"( const| noexcept| &+)*$", "", name).rsplit(" ", 1)[-1].lstrip("*&").removesuffix("::")
    return re.sub(r"^aya::v1::", "aya::", name).replace("lambda", "<lambda>") or pretty


# By the awaiter's class, as its table of virtual functions names it; else what is left of its name.
KINDS = (("fork_node", "gather"), ("io::detail::operation", "I/O"), ("exit_awaiter", "task_group"), ("join_queue_awaiter", "queue::join"),
         ("completion_stream", "as_completed"), ("offload", "a call on another thread"), ("process", "to_process"))


def class_of(address):
    """The class of the object that begins there with a table of virtual functions; empty if that has no name."""
    symbol = gdb.execute(f"info symbol {word_at(address):#x}", to_string=True)
    found = re.match(r"vtable for (.*?)(?: \+ \d+)?(?: in section .*)?$", symbol.splitlines()[0] if symbol else "")
    return found[1] if found else ""


# --- tasks ------------------------------------------------------------------------------------------------------------------------


class Task:
    def __init__(self, state):
        self.state = state.cast(pointer_to("task_state"))
        object_ = self.state.dereference()
        word = number(object_["word_"])
        self.id = number(object_["identity_"]) & ((1 << ID_BITS) - 1)
        self.phase = word & WORD_PHASE
        self.is_future = bool(word & WORD_FUTURE)
        self.requests = word // ONE_REQUEST
        self.cancel_pending = bool(word & WORD_MUST_CANCEL)
        self.name = f"{'Future' if self.is_future else 'Task'}-{self.id}"
        if int(object_["details_"]) != 0:
            given = object_["details_"]["name"]
            self.name = given["_M_dataplus"]["_M_p"].string(length=int(given["_M_string_length"]), errors="replace") or self.name
        self.awaits, self.wait, self.stack = [], "", []
        if self.phase == WAITING:
            self.look_at_wait(object_["suspension_"])
            self.walk(int(object_["resume_point_"]["_M_fr_ptr"]))

    def look_at_wait(self, suspension):
        name = class_of(int(suspension))
        plain = without_brackets(name)
        if "join_awaiter" in plain or "handle" in plain or "shield" in plain:
            target = suspension.cast(pointer_to("join_awaiter"))["target_"]
            self.awaits = [target]
            self.wait = "task"
        elif plain.endswith("fan_in"):
            fan_in = suspension.cast(pointer_to("fan_in"))
            self.awaits = [fan_in["members_"][i]["task"]["state_"] for i in range(int(fan_in["size_"]))]
            self.wait = f"{'gather' if int(fan_in['rule_']) <= 1 else 'wait'} of {len(self.awaits)} tasks"
        else:
            for part, kind in KINDS:
                if part in plain:
                    self.wait = kind
                    return
            short = plain.replace("detail::", "").removeprefix("aya::v1::").replace("basic_queue::", "queue::").removesuffix("_awaiter")
            self.wait = short or "something"

    def walk(self, frame):
        """The coroutines from the innermost one outwards, each with the co_await that it stands at."""
        promise_type = pointer_to("promise_base")
        while frame != 0 and len(self.stack) < DEEPEST_STACK:
            promise = gdb.Value(frame + 16).cast(promise_type)  # behind the two functions that every frame begins with
            where = int(promise["where"]["_M_impl"])
            if where != 0:
                # file, function, line: as the compiler lays it out, whatever it calls the type.
                name = function_name(text_at(word_at(where + 8)))
                if not name.startswith("aya::detail::"):
                    self.stack.append(f"{name} ({re.sub(r'^([.][.]/)+', '', text_at(word_at(where)))}:{word_at(where + 16) & 0xffffffff})")
            frame = int(promise["continuation"]["_M_fr_ptr"])

    def text(self, running):
        if self.phase == WAITING:
            what = f"waits for {self.wait}"
            ids = [f"#{Task(a).id}" for a in self.awaits[:8]]
            if ids:
                what += f" {', '.join(ids)}{', ...' if len(self.awaits) > 8 else ''}"
        elif self.is_future and self.phase == ACTIVE:
            what = "is not set"
        else:
            what = running.get(int(self.state), "ready" if self.phase == ACTIVE else "done")
        if self.requests:
            what += f", {self.requests} cancel request{'s' if self.requests > 1 else ''}"
        if self.cancel_pending:
            what += ", to be cancelled at its next suspension"
        return "".join([f"{self.name} (#{self.id}): {what}\n", *(f"  at {place}\n" for place in self.stack)])


# --- runtimes ---------------------------------------------------------------------------------------------------------------------


def contexts():
    """(thread, its thread_context) of each thread that runs tasks."""
    selected = gdb.selected_thread()
    problem = None
    try:
        for thread in sorted(gdb.selected_inferior().threads(), key=lambda t: t.num):
            thread.switch()
            try:
                context = gdb.parse_and_eval(f"'{DETAIL}current_thread'")
                if int(context) != 0:
                    yield thread, context.cast(pointer_to("thread_context")).dereference()
            except gdb.error as error:  # a thread that is just being made has no such variables yet
                problem = error
    finally:
        if selected is not None:
            selected.switch()
    if problem is not None:
        gdb.write(f"aya: a thread could not be read: {problem}\n", gdb.STDERR)


def tasks_of(scheduler):
    """Every task of a scheduler, and what they await besides: children of gathers and futures are in no registry."""
    registry = scheduler.dynamic_type.target()
    registry = scheduler.cast(registry.pointer())["registry_"]
    shards = held(registry["shards_"])
    open_, known = [], {}
    for i in range(int(registry["shard_count_"])):
        state = shards[i]["head"]
        while int(state) != 0:
            open_.append(state)
            state = state["registry_next_"]
    for state in open_:
        if int(state) not in known:
            task = known[int(state)] = Task(state)
            open_.extend(task.awaits)
    return sorted((t for t in known.values() if t.phase != DONE), key=lambda t: t.id)


class AyaCommand(gdb.Command):
    """About programs that use aya."""

    def __init__(self):
        super().__init__("aya", gdb.COMMAND_STACK, gdb.COMPLETE_NONE, True)


class AyaTasks(gdb.Command):
    """aya tasks: the tasks of each runtime, with what each waits for, and the source line of each of its coroutines."""

    def __init__(self):
        super().__init__("aya tasks", gdb.COMMAND_STACK, gdb.COMPLETE_NONE)

    def invoke(self, argument, from_tty):
        try:
            pointer_to("task_state")
            pointer_to("task_registry")
        except gdb.error:
            raise gdb.GdbError("aya: the library is not there, or has no debug information (-Dbuildtype=debugoptimized)") from None
        schedulers, running = {}, {}
        for thread, context in contexts():
            if int(context["home"]) == 0:
                continue
            scheduler = context["home"].dereference()["base_"]
            schedulers[int(scheduler)] = scheduler
            bits = int(context["current"]["bits_"])
            if bits & 1 == 0 and bits != 0:
                running[bits] = f"runs on worker {int(context['index'])}, thread {thread.num}"
        if not schedulers:
            gdb.write("no thread runs tasks\n")
        for scheduler in schedulers.values():
            tasks = tasks_of(scheduler)
            name = scheduler["owner_"]["options_"]["name"]
            gdb.write(f"runtime {name['_M_dataplus']['_M_p'].string(errors='replace')}: {len(tasks)} task{'' if len(tasks) == 1 else 's'}\n")
            for task in tasks:
                gdb.write(task.text(running))


AyaCommand()
AyaTasks()
