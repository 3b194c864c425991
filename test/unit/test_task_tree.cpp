// SPDX-License-Identifier: Apache-2.0
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <source_location>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using test::everywhere;
using test::settle;
using namespace std::chrono_literals;

namespace {

constexpr auto this_file = "test/unit/test_task_tree.cpp";

std::atomic<std::uint32_t> sleeping_line{0}; // several may sleep at once
aya::task<int> sleepy() {
    co_await aya::sleep(10s); sleeping_line = std::source_location::current().line();
    co_return 1;
}
aya::task<int> middle() { co_return co_await sleepy(); }

aya::task_info const* find(aya::task_tree const& tree, std::string const& name) {
    auto const found = std::find_if(tree.tasks.begin(), tree.tasks.end(), [&](auto const& t) { return t.name == name; });
    return found == tree.tasks.end() ? nullptr : &*found;
}

bool contains(std::string const& text, std::string const& part) { return text.find(part) != std::string::npos; }

// What a task that runs `body` says it waits for, once it waits.
aya::task<std::string> waits_for(aya::task<> body) {
    auto const h = aya::create_task(std::move(body), {.name = "waiting"});
    co_await settle();
    auto const tree = aya::capture_tasks();
    aya::task_info const* const t = find(tree, "waiting");
    std::string text = t == nullptr ? "nothing" : t->waits_for;
    h.cancel();
    std::vector handles(1, h);
    (void)co_await aya::wait(std::move(handles));
    co_return text;
}

aya::task<> await_one(aya::task_handle<> h) { co_await h; }

} // namespace

TEST_CASE("capture_tasks: name, stack with source lines, what it waits for and how long yet") {
    test::in_order([]() -> aya::task<> { // another worker would run the cancelled task at once
        auto const h = aya::create_task(middle(), {.name = "sleeper"});
        co_await aya::sleep(1s);
        h.cancel("no"); // taken back: only the count is looked at
        auto const tree = aya::capture_tasks();
        aya::task_info const* const t = find(tree, "sleeper");
        REQUIRE(t != nullptr);
        CHECK(t->cancel_requests == 1);
        h.uncancel();
        bool const over = co_await test::throws<aya::cancelled_error>(h);
        CHECK(over);
    });
    everywhere([]() -> aya::task<> {
        auto const h = aya::create_task(middle(), {.name = "sleeper"});
        auto const parent = aya::create_task([](aya::task_handle<int> of) -> aya::task<> { (void)co_await of; }, h);
        parent.set_name("parent");
        co_await aya::sleep(1s);
        auto const tree = aya::capture_tasks();
        aya::task_info const* const t = find(tree, "sleeper");
        REQUIRE(t != nullptr);
        CHECK(t->phase == aya::task_phase::waiting);
        CHECK(t->waits_for == "sleep");
        CHECK(t->time_left == 9s);
        CHECK_FALSE(t->from_outside);
        REQUIRE(t->stack.size() == 2);
        CHECK(t->stack[0].function == "sleepy");
        CHECK(t->stack[0].file.ends_with(this_file));
        CHECK(t->stack[1].function == "middle");
        aya::task_info const* const p = find(tree, "parent");
        REQUIRE(p != nullptr);
        CHECK(p->waits_for == "task");
        CHECK(p->awaits == std::vector<std::uint64_t>{t->id});
        (void)co_await parent;
        CHECK(t->stack[0].line == sleeping_line.load()); // known by now
        // This task itself runs.
        CHECK(std::count_if(tree.tasks.begin(), tree.tasks.end(), [](auto const& i) { return i.phase == aya::task_phase::ready; }) == 1);
    });
}

TEST_CASE("task_info::waits_for: each kind of wait has its name") {
    everywhere([]() -> aya::task<> {
        aya::queue<int> full(1), empty;
        full.put_nowait(1);
        aya::mutex m;
        auto guard = co_await m.lock();
        aya::semaphore s(0);
        aya::event e;
        aya::barrier b(2);
        auto starts = [](std::string const& text, char const* with) { return text.starts_with(with); };
        auto get = [](aya::queue<int>* q) -> aya::task<> { (void)co_await q->get(); };
        auto put = [](aya::queue<int>* q) -> aya::task<> { co_await q->put(2); };
        auto join = [](aya::queue<int>* q) -> aya::task<> { co_await q->join(); };
        auto lock = [](aya::mutex* of) -> aya::task<> { (void)co_await of->lock(); };
        auto acquire = [](aya::semaphore* of) -> aya::task<> { (void)co_await of->acquire(); };
        auto wait = [](aya::event* of) -> aya::task<> { co_await of->wait(); };
        auto arrive = [](aya::barrier* of) -> aya::task<> { (void)co_await of->wait(); };
        auto children = []() -> aya::task<> { co_await aya::gather(test::forever(), test::forever()); };
        auto group = []() -> aya::task<> {
            co_await aya::with_task_group([](aya::task_group& g) -> aya::task<> {
                g.create_task(test::forever);
                co_return;
            });
        };
        std::string text = co_await waits_for(get(&empty));
        CHECK(starts(text, "queue::get 0x"));
        text = co_await waits_for(put(&full));
        CHECK(starts(text, "queue::put 0x"));
        text = co_await waits_for(join(&full));
        CHECK(starts(text, "queue::join 0x"));
        text = co_await waits_for(lock(&m));
        CHECK(starts(text, "mutex::lock 0x"));
        text = co_await waits_for(acquire(&s));
        CHECK(starts(text, "semaphore::acquire 0x"));
        text = co_await waits_for(wait(&e));
        CHECK(starts(text, "event::wait 0x"));
        text = co_await waits_for(arrive(&b));
        CHECK(starts(text, "barrier::wait 0x"));
        text = co_await waits_for(children());
        CHECK(text == "gather of 2 tasks");
        text = co_await waits_for(group());
        CHECK(text == "task_group of 1 task");
    });
    test::everywhere_in_real_time([]() -> aya::task<> { // a call that runs holds virtual time up
        static std::atomic<int> running;
        static std::atomic<bool> over;
        static constexpr auto block = [] {
            running.fetch_add(1);
            while (!over.load())
                std::this_thread::yield();
        };
        over = false;
        running = 0;
        aya::blocking_pool const pool({.max_threads = 1});
        auto in_thread = []() -> aya::task<> { co_await aya::to_thread(block); };
        auto in_arena = []() -> aya::task<> { co_await aya::to_cpu(block); };
        auto elsewhere = [](aya::any_executor e) -> aya::task<> { co_await aya::run_in_executor(e, block); };
        auto moving = [](aya::any_executor e) -> aya::task<> { co_await aya::resume_on(e); };
        std::vector<aya::task_handle<>> all;
        all.push_back(aya::create_task(in_thread(), {.name = "a"}));
        all.push_back(aya::create_task(in_arena(), {.name = "b"}));
        all.push_back(aya::create_task(elsewhere(pool), {.name = "c"}));
        CHECK(co_await test::eventually([] { return running.load() == 3; }));
        all.push_back(aya::create_task(moving(pool), {.name = "d"})); // whose only thread is taken
        static constexpr auto waits = [](char const* name, char const* what) {
            auto const tree = aya::capture_tasks();
            aya::task_info const* const t = find(tree, name);
            return t != nullptr && t->waits_for == what;
        };
        CHECK(co_await test::eventually([] { return waits("d", "resume_on"); }));
        CHECK(waits("a", "to_thread"));
        CHECK(waits("b", "to_cpu"));
        CHECK(waits("c", "run_in_executor"));
        over = true;
        co_await aya::gather(std::move(all));
    });
}

TEST_CASE("task_tree: a future is one, with and without who waits for it; what only a file can say has a name too") {
    everywhere([]() -> aya::task<> {
        aya::promise<int> const p;
        auto const waiter = aya::create_task([](aya::future<int> f) -> aya::task<int> { co_return co_await f; }, p.get_future());
        waiter.set_name("");
        co_await settle();
        auto const tree = aya::capture_tasks();
        CHECK(contains(tree.text(), "not set"));
        CHECK(contains(tree.json(), "\"phase\":\"future\""));
        CHECK(contains(tree.json(), "\"phase\":\"waiting\""));
        p.set_value(1);
        CHECK(co_await waiter == 1);
    });
    aya::task_tree made;
    made.tasks.emplace_back().phase = aya::task_phase::done;
    made.tasks.back().cancel_requests = 2;
    CHECK(contains(made.json(), "\"phase\":\"done\""));
    CHECK(contains(made.text(), "2 cancel requests"));
}

TEST_CASE("dump_tasks: what the text of capture_tasks() says, into any stream") {
    aya::runtime rt({.workers = 1});
    auto const h = rt.spawn(test::forever(), {.name = "left alone"});
    std::ostringstream out;
    aya::dump_tasks(rt, out);
    CHECK(contains(out.str(), "left alone (#"));
    h.cancel();
}

TEST_CASE("task_info::from_outside: of a wait for a mutex, for as long as a thread outside holds it") {
    everywhere([]() -> aya::task<> {
        aya::mutex m;
        bool taken = false;
        std::thread([&] { taken = m.try_lock(); }).join();
        CHECK(taken);
        aya::event over;
        auto hold = [](aya::mutex* what, aya::event* until) -> aya::task<> {
            auto const guard = co_await what->lock();
            co_await until->wait();
        };
        auto const first = aya::create_task(hold, &m, &over);
        co_await test::settle(); // it waits
        auto const second = aya::create_task(hold, &m, &over);
        second.set_name("second");
        co_await test::settle();
        auto const before = aya::capture_tasks();
        REQUIRE(find(before, "second") != nullptr);
        CHECK(find(before, "second")->from_outside);
        m.unlock(); // for the first one
        co_await test::settle();
        auto const after = aya::capture_tasks();
        REQUIRE(find(after, "second") != nullptr);
        CHECK(find(after, "second")->waits_for.starts_with("mutex::lock"));
        CHECK_FALSE(find(after, "second")->from_outside);
        over.set();
        co_await first;
        co_await second;
    });
}

TEST_CASE("task_tree::text: awaited tasks stand below those that wait for them, circles are named") {
    everywhere([]() -> aya::task<> {
        auto const inner = aya::create_task(test::forever(), {.name = "inner"});
        auto const outer = aya::create_task(await_one(inner), {.name = "outer"});
        auto const second = aya::create_task(await_one(inner), {.name = "second"});
        co_await settle();
        std::ostringstream out;
        aya::dump_tasks(out);
        std::string const text = out.str();
        CHECK(text.starts_with("4 tasks\n"));
        std::size_t const at = text.find("\nouter (#");
        REQUIRE(at != std::string::npos);
        std::string const below = text.substr(at);
        CHECK(contains(below, "): waits for task")); // and for how long, in debug mode
        CHECK(contains(below, "\n  at await_one ("));
        CHECK(contains(below, "\n    inner (#"));
        CHECK(contains(below, "waits for event::wait 0x"));
        CHECK(contains(below, "\n      at test::forever ("));
        CHECK(contains(text, ", see above\n"));
        std::string const json = aya::capture_tasks().json();
        CHECK(json.starts_with("{\"tasks\":[{\"id\":"));
        CHECK(contains(json, "\"name\":\"inner\",\"phase\":\"waiting\",\"waits_for\":\"event::wait 0x"));
        CHECK(contains(json, "\"function\":\"test::forever\""));
        inner.cancel();
        std::vector<aya::task_handle<>> both{outer, second};
        (void)co_await aya::wait(std::move(both));
    });
    everywhere([]() -> aya::task<> {
        aya::task_handle<> first;
        aya::event go;
        auto await_later = [](aya::event* e, aya::task_handle<>* h) -> aya::task<> {
            co_await e->wait();
            co_await *h;
        };
        auto const other = aya::create_task(await_later(&go, &first), {.name = "other"});
        first = aya::create_task(await_one(other), {.name = "first"});
        go.set();
        co_await settle();
        std::string const text = aya::capture_tasks().text();
        CHECK(contains(text, "tasks that wait for each other in a circle:\nother (#"));
        CHECK(contains(text, ", see above\n"));
        first.cancel();
        std::vector<aya::task_handle<>> both{first, other};
        (void)co_await aya::wait(std::move(both));
    });
}

TEST_CASE("task_tree::text: what a terminal would obey is written out") {
    everywhere([]() -> aya::task<> {
        auto const t = aya::create_task(test::forever(), {.name = "a\x1b[2Jb\nc\xc2\x9b\x7f\xc3\xa4"});
        co_await settle();
        std::string const text = aya::capture_tasks().text();
        CHECK(contains(text, "a\\x1b[2Jb\\x0ac\\xc2\\x9b\\x7f\xc3\xa4 (#"));
        t.cancel();
        std::vector<aya::task_handle<>> all{t};
        (void)co_await aya::wait(std::move(all));
    });
}

TEST_CASE("task_tree: a chain of awaits of any depth is written, with margins that end") {
    aya::task_tree tree;
    for (std::uint64_t i = 1; i <= 100'000; ++i) {
        aya::task_info t;
        t.id = i;
        t.name = "t";
        if (i != 100'000)
            t.awaits.push_back(i + 1);
        tree.tasks.push_back(std::move(t));
    }
    std::string const text = tree.text();
    CHECK(contains(text, "[99999] t (#100000): done\n"));
    CHECK(text.size() < 20'000'000);
}

TEST_CASE("in debug mode, gathers are trees of whole tasks, and say how long each waits") {
    test::on_every_runtime([](aya::runtime& rt) {
        rt.block_on([]() -> aya::task<> {
            auto children = []() -> aya::task<int> {
                auto [a, b] = co_await aya::gather(sleepy(), middle());
                co_return a + b;
            };
            auto const h = aya::create_task(children(), {.name = "parent"});
            co_await aya::sleep(2s);
            auto const tree = aya::capture_tasks();
            aya::task_info const* const p = find(tree, "parent");
            REQUIRE(p != nullptr);
            CHECK(p->awaits.size() == 2);
            CHECK(p->waiting_time == 2s);
            CHECK(tree.tasks.size() == 4);
            CHECK(contains(p->text(), "waits for gather of 2 tasks, for 2.000 s"));
            CHECK(contains(tree.text(), "waits for sleep, 8.000 s left, for 2.000 s\n"));
            (void)co_await h;
        });
    }, {.virtual_time = true, .debug = true, .slow_callback_duration = 24h});
}

TEST_CASE("capture_call_graph: who waits for the task that asks, and through which coroutines") {
    everywhere([]() -> aya::task<> {
        auto const graph_of = []() -> aya::task<aya::call_graph> { co_return co_await aya::capture_call_graph(); };
        auto ask = [](decltype(graph_of)* f) -> aya::task<aya::call_graph> {
            co_await aya::yield(); // so that it is awaited by then
            co_return co_await (*f)();
        };
        auto f = graph_of;
        auto const h = aya::create_task(ask(&f), {.name = "asking"});
        auto await_it = [](aya::task_handle<aya::call_graph> of) -> aya::task<> { (void)co_await of; };
        auto const w = aya::create_task(await_it(h), {.name = "waiting"});
        aya::call_graph const graph = co_await h;
        CHECK(graph.task.name == "asking");
        CHECK(graph.task.stack.size() == 2);
        CHECK(graph.task.stack[0].file.ends_with(this_file));
        (void)co_await w;
    });
    everywhere([]() -> aya::task<> {
        auto const inner = aya::create_task(test::forever(), {.name = "inner"});
        auto const outer = aya::create_task(await_one(inner), {.name = "outer"});
        co_await settle();
        aya::call_graph const graph = aya::capture_call_graph(inner);
        CHECK(graph.task.name == "inner");
        REQUIRE(graph.awaited_by.size() == 1);
        CHECK(graph.awaited_by[0].task.name == "outer");
        CHECK(graph.awaited_by[0].awaited_by.empty());
        std::string const text = aya::format_call_graph(graph);
        CHECK(contains(text, "): waits for event::wait 0x"));
        CHECK(contains(text, "\n  awaited by\n    outer (#"));
        CHECK(contains(text, "\n      at await_one ("));
        inner.cancel();
        bool const over = co_await test::throws<aya::cancelled_error>(outer);
        CHECK(over);
    });
    CHECK_THROWS_AS((void)aya::capture_tasks(), aya::invalid_state_error);
}

namespace {

aya::task<> note_graph(std::string* text) {
    co_await aya::sleep(1s); // by then all the others wait
    aya::call_graph const graph = co_await aya::capture_call_graph();
    *text = aya::format_call_graph(graph);
}
aya::task<> await_all(std::vector<aya::task_handle<>> all) { (void)co_await aya::wait(std::move(all)); }

aya::task<> deep(int levels) {
    if (levels == 0)
        co_await test::forever();
    else
        co_await deep(levels - 1);
}

} // namespace

TEST_CASE("capture_call_graph: of a very deep chain, the first levels, with margins that end") {
    everywhere([]() -> aya::task<> {
        std::string text;
        aya::task_handle<> h = aya::create_task(note_graph(&text));
        for (int i = 0; i < 5000; ++i)
            h = aya::create_task(await_one(h));
        co_await h;
        CHECK(contains(text, "\n  awaited by\n    Task-"));
        CHECK(contains(text, "[500] Task-"));
        CHECK_FALSE(contains(text, "[501] "));
        CHECK(contains(text, "  awaited by more\n"));
        CHECK(text.size() < 1'000'000);
    });
}

TEST_CASE("capture_call_graph: a task that many ways lead to is followed once") {
    everywhere([]() -> aya::task<> {
        std::string text;
        aya::task_handle<> left = aya::create_task(note_graph(&text)), right = left;
        for (int i = 0; i < 64; ++i) {
            std::vector<aya::task_handle<>> const both{left, right}; // the first time, one twice
            left = aya::create_task(await_all(both));
            right = aya::create_task(await_all(both));
        }
        co_await left;
        co_await right;
        CHECK(contains(text, ", see above\n"));
        CHECK(text.size() < 1'000'000);
    });
}

TEST_CASE("capture_tasks: a stack that is too deep to be shown ends in a line that says so") {
    everywhere([]() -> aya::task<> {
        auto const h = aya::create_task(deep(300), {.name = "deep"});
        auto const flat = aya::create_task(deep(3), {.name = "flat"});
        co_await settle();
        auto const tree = aya::capture_tasks();
        REQUIRE(find(tree, "deep") != nullptr);
        CHECK_FALSE(find(tree, "deep")->whole_stack);
        CHECK(find(tree, "flat")->whole_stack);
        std::string const text = tree.text();
        CHECK(contains(text, "  and more coroutines further out\n"));
        CHECK(text.find("and more") == text.rfind("and more"));
        CHECK(contains(tree.json(), "\"whole_stack\":false"));
        h.cancel();
        flat.cancel();
        bool const both = co_await test::throws<aya::cancelled_error>(h) && co_await test::throws<aya::cancelled_error>(flat);
        CHECK(both);
    });
}
