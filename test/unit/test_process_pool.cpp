// SPDX-License-Identifier: Apache-2.0
// process_pool: calls, results, exceptions, options, the end.
#include "support/harness.hpp"
#include "support/processes.hpp"

#include <aya/aya.hpp>
#include <aya/process_pool.hpp>

#include <cereal/types/map.hpp>
#include <cereal/types/optional.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <csignal>
#include <map>
#include <optional>
#include <ranges>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <unistd.h>

namespace {

using namespace std::chrono_literals;

int add(int a, int b) { return a + b; }
std::string twice(std::string_view text) { return std::string(text) + std::string(text); }
void nothing() {}
int fail(std::string text) { throw std::invalid_argument(text); }
int throw_number() { throw 7; }
pid_t own_pid() { return ::getpid(); }

enum class colour { red, green };
struct point {
    int x = 0, y = 0;
};

struct person {
    std::string name;
    std::map<std::string, int> marks;
    std::optional<double> height;
    template <class Archive>
    void serialize(Archive& a) {
        a(name, marks, height);
    }
};
person older(person const& p) {
    person q = p;
    q.marks["age"] += 1;
    return q;
}
std::tuple<colour, bool, std::pair<int, char>> mixed(colour c, bool b, std::vector<std::string>&& words) {
    return {c == colour::red ? colour::green : colour::red, !b, {static_cast<int>(words.size()), words.at(0).at(0)}};
}

int initialized_with = 0;
void initialize(int n, std::string const& text) { initialized_with = n + static_cast<int>(text.size()); }
int what_was_initialized() { return initialized_with; }
void bad_initializer() { throw std::runtime_error("no licence"); }
void deadly_initializer() { ::_exit(9); }

int wait_at_gate(std::string const& path, int result) {
    test::gate::wait_at(path);
    return result;
}

} // namespace

template <>
inline constexpr bool aya::is_sent_as_bytes<point> = true;

namespace {

point mirrored(point p, std::vector<point> const& all) { return {-p.x + static_cast<int>(all.size()), all.back().y}; }

TEST_CASE("submit: results, from a thread outside every runtime") {
    aya::process_pool pool({.max_workers = 2});
    CHECK(pool.submit<&add>(2, 3).get() == 5);
    CHECK(pool.submit<&twice>("ab").get() == "abab");
    pool.submit<&nothing>().get();
    CHECK(pool.submit<&own_pid>().get() != ::getpid());
}

TEST_CASE("process_pool: what cereal knows, views, enumerations and plain structures travel") {
    aya::process_pool pool({.max_workers = 1});
    person const p = pool.submit<&older>(person{"Ada", {{"age", 36}}, 1.65}).get();
    CHECK(p.name == "Ada");
    CHECK(p.marks.at("age") == 37);
    CHECK(p.height == 1.65);
    auto const [c, b, q] = pool.submit<&mixed>(colour::red, true, std::vector<std::string>{"xyz", ""}).get();
    CHECK(c == colour::green);
    CHECK_FALSE(b);
    CHECK(q == std::pair(2, 'x'));
    point const r = pool.submit<&mirrored>(point{1, 2}, std::vector<point>(3, point{5, 6})).get();
    CHECK(r.x == 2);
    CHECK(r.y == 6);
}

TEST_CASE("X2: what the function throws is thrown at the await, with its type and text; the child goes on") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        aya::process_pool pool({.max_workers = 1});
        pid_t const before = co_await aya::to_process<&own_pid>(pool);
        std::string type, text, all;
        try {
            co_await aya::to_process<&fail>(pool, "wrong");
        } catch (aya::remote_error const& e) {
            type = e.type_name();
            text = e.message();
            all = e.what();
        }
        CHECK(type == "std::invalid_argument");
        CHECK(text == "wrong");
        CHECK(all == "std::invalid_argument: wrong");
        type.clear();
        try {
            co_await aya::to_process<&throw_number>(pool);
        } catch (aya::remote_error const& e) {
            type = e.type_name();
        }
        CHECK(type == "int");
        CHECK_THROWS_AS((void)pool.submit<&fail>("no").get(), aya::remote_error);
        pid_t const after = co_await aya::to_process<&own_pid>(pool);
        CHECK(before == after);
    });
}

TEST_CASE("to_process: goes where every awaitable goes") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        aya::process_pool pool({.max_workers = 2});
        auto const [a, b] = co_await aya::gather(aya::to_process<&add>(pool, 1, 2), aya::to_process<&twice>(pool, "x"));
        CHECK(a == 3);
        CHECK(b == "xx");
        auto const h = aya::create_task(aya::to_process<&add>(pool, 3, 4));
        int const seven = co_await h;
        CHECK(seven == 7);
        int const nine = co_await aya::wait_for(aya::to_process<&add>(pool, 4, 5), 1h);
        CHECK(nine == 9);
    });
}

TEST_CASE("to_process: is awaited once, by one task, whose tree says so") {
    test::temporary_folder const folder;
    test::gate gate(folder);
    aya::process_pool pool({.max_workers = 1});
    auto body = [](aya::process_pool& p, test::gate& g) -> aya::task<> {
        auto call = aya::to_process<&wait_at_gate>(p, g.path(), 7);
        auto await_it = [](decltype(call)& c) -> aya::task<int> { co_return co_await c; };
        auto const first = aya::create_task(await_it(call), {.name = "first"});
        CHECK(co_await test::eventually([&] { return g.somebody_waits(); }));
        CHECK(aya::capture_tasks().text().find("waits for to_process") != std::string::npos);
        CHECK(co_await test::throws<aya::invalid_state_error>(await_it(call)));
        g.open();
        CHECK(co_await first == 7);
        auto moved = aya::to_process<&wait_at_gate>(p, g.path(), 8);
        auto const taken = std::move(moved);
        (void)taken; // goes unawaited
        CHECK(co_await test::throws<aya::invalid_state_error>(await_it(moved)));
    };
    aya::runtime rt({.workers = 2});
    rt.block_on(body(pool, gate));
}

TEST_CASE("to_process: virtual time stands still while a child works") {
    test::everywhere([]() -> aya::task<> {
        aya::process_pool pool({.max_workers = 1});
        auto const begin = aya::now();
        for (int i = 0; i < 10; ++i) {
            int const sum = co_await aya::wait_for(aya::to_process<&add>(pool, i, 1), 1ms);
            CHECK(sum == i + 1);
        }
        CHECK(aya::now() == begin);
        co_await aya::sleep(1h); // and goes on afterwards
    });
}

TEST_CASE("to_process: the arguments are taken when it is called") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        aya::process_pool pool({.max_workers = 1});
        std::string text = "before";
        auto call = aya::to_process<&twice>(pool, text);
        text = "after";
        std::string const result = co_await std::move(call);
        CHECK(result == "beforebefore");
    });
}

TEST_CASE("process_pool: max_workers children at most, each started when it is needed") {
    test::temporary_folder const folder;
    aya::process_pool pool({.max_workers = 3});
    CHECK(pool.max_workers() == 3);
    CHECK(pool.children().empty());
    pid_t const first = pool.submit<&own_pid>().get();
    CHECK(pool.children() == std::vector<pid_t>{first});
    CHECK(pool.children_started() == 1);
    std::vector<std::unique_ptr<test::gate>> gates;
    std::vector<std::future<int>> results;
    for (int i = 0; i < 3; ++i) {
        gates.push_back(std::make_unique<test::gate>(folder, std::to_string(i)));
        results.push_back(pool.submit<&wait_at_gate>(gates.back()->path(), i));
    }
    std::vector<std::future<int>> more;
    for (int i = 0; i < 100; ++i)
        more.push_back(pool.submit<&add>(i, i));
    for (auto& g : gates)
        CHECK(test::eventually_outside([&] { return g->somebody_waits(); })); // all three at the same time
    CHECK(pool.children().size() == 3);
    for (auto& g : gates)
        g->open();
    for (std::size_t i = 0; i < 3; ++i)
        CHECK(results[i].get() == static_cast<int>(i));
    for (std::size_t i = 0; i < 100; ++i)
        CHECK(more[i].get() == static_cast<int>(2 * i));
    CHECK(pool.children_started() == 3);
}

TEST_CASE("process_pool: calls do not wait behind a long one while a child is idle") {
    test::temporary_folder const folder;
    test::gate gate(folder);
    aya::process_pool pool({.max_workers = 2});
    // The first child gets all of these in advance, for there is no other yet.
    (void)pool.submit<&nothing>().get();
    auto slow = pool.submit<&wait_at_gate>(gate.path(), 1);
    std::vector<std::future<int>> quick;
    for (int i = 0; i < 500; ++i)
        quick.push_back(pool.submit<&add>(i, 1));
    for (int i = 0; i < 500; ++i)
        CHECK(quick[static_cast<std::size_t>(i)].get() == i + 1);
    CHECK(test::eventually_outside([&] { return gate.somebody_waits(); }));
    gate.open();
    CHECK(slow.get() == 1);
}

TEST_CASE("process_pool: a child is replaced after max_tasks_per_child calls") {
    aya::process_pool pool({.max_workers = 1, .max_tasks_per_child = 3});
    std::vector<std::future<pid_t>> calls;
    for (int i = 0; i < 12; ++i)
        calls.push_back(pool.submit<&own_pid>());
    std::map<pid_t, int> by_child;
    for (auto& c : calls)
        ++by_child[c.get()];
    CHECK(by_child.size() == 4);
    for (auto const& [pid, count] : by_child)
        CHECK(count == 3);
    pool.shutdown();
    CHECK(pool.children_started() == 4);
}

TEST_CASE("process_pool: the initializer runs first in each child") {
    aya::process_pool pool({.max_workers = 2, .max_tasks_per_child = 5, .initializer = aya::process_call::to<&initialize>(40, "ab")});
    std::vector<std::future<int>> calls;
    for (int i = 0; i < 40; ++i)
        calls.push_back(pool.submit<&what_was_initialized>());
    for (auto& c : calls)
        CHECK(c.get() == 42);
    CHECK(pool.children_started() >= 8);
    CHECK(initialized_with == 0); // not here
    aya::process_pool large({.max_workers = 2, .initializer = aya::process_call::to<&initialize>(1, std::string(1'000'000, 'x'))});
    CHECK(large.submit<&what_was_initialized>().get() == 1'000'001); // through shared memory
}

TEST_CASE("process_pool: an initializer that throws, or ends the child, ends the calls that wait, with the reason") {
    std::string why;
    {
        aya::process_pool pool({.max_workers = 2, .initializer = aya::process_call::to<&bad_initializer>()});
        for (int round = 0; round < 3; ++round) {
            std::vector<std::future<int>> calls;
            for (int i = 0; i < 20; ++i)
                calls.push_back(pool.submit<&add>(i, i));
            for (auto& c : calls) {
                try {
                    c.get();
                    CHECK(false);
                } catch (aya::broken_executor const& e) {
                    why = e.what();
                }
            }
            CHECK(why == "aya::process_pool: no child process could be started: the initializer failed: std::runtime_error: no licence");
        }
    }
    aya::process_pool pool({.max_workers = 2, .initializer = aya::process_call::to<&deadly_initializer>()});
    try {
        pool.submit<&add>(1, 1).get();
    } catch (aya::broken_executor const& e) {
        why = e.what();
    }
    CHECK(why == "aya::process_pool: no child process could be started: a child process exited with status 9 before it could take a call");
}

TEST_CASE("process_pool: too many workers are refused") {
    CHECK_THROWS_WITH_AS(aya::process_pool({.max_workers = 1025}),
                         "aya::process_pool_options::max_workers: 1025 is more than the limit of 1024", std::invalid_argument);
}

// --- map ----------------------------------------------------------------------------------------------------------------

/// Numbers from 0, which counts how many were asked for.
struct counted_numbers {
    struct iterator {
        using difference_type = std::ptrdiff_t;
        using value_type = int;
        int now = 0;
        std::atomic<int>* asked = nullptr;
        int operator*() const {
            asked->store(now + 1);
            return now;
        }
        iterator& operator++() {
            ++now;
            return *this;
        }
        void operator++(int) { ++now; }
    };
    std::atomic<int>* asked;
    int limit;
    [[nodiscard]] iterator begin() const { return {0, asked}; }
    struct sentinel {
        int limit;
        friend bool operator==(iterator const& i, sentinel s) { return i.now == s.limit; }
    };
    [[nodiscard]] sentinel end() const { return {limit}; }
};

int successor(int n) { return n + 1; }
int fail_at_ten(int n) { return n == 10 ? throw std::runtime_error("ten") : n; }

TEST_CASE("map: results in order, the input read only so far ahead") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        aya::process_pool pool({.max_workers = 2});
        std::atomic<int> asked{0};
        auto all = pool.map<&successor>(counted_numbers{&asked, 300}, 8);
        int expected = 0;
        bool in_order = true, bounded = true;
        while (auto r = co_await all.next()) {
            ++expected;
            in_order = in_order && *r == expected;
            bounded = bounded && asked.load() <= expected - 1 + 8;
        }
        CHECK(expected == 300);
        CHECK(in_order);
        CHECK(bounded);
        auto none = pool.map<&successor>(std::vector<int>());
        auto const nothing_left = co_await none.next();
        CHECK_FALSE(nothing_left.has_value());
    });
}

TEST_CASE("map: the first exception comes in its turn and ends it; a generator that is dropped leaves no call behind") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        aya::process_pool pool({.max_workers = 2});
        int good = 0;
        bool thrown = false;
        auto all = pool.map<&fail_at_ten>(std::views::iota(0, 100));
        try {
            while (co_await all.next())
                ++good;
        } catch (aya::remote_error const& e) {
            thrown = e.message() == "ten";
        }
        CHECK(good == 10);
        CHECK(thrown);
        auto const after = co_await all.next();
        CHECK_FALSE(after.has_value());
        {
            auto dropped = pool.map<&successor>(std::views::iota(0, 1000));
            auto const one = co_await dropped.next();
            CHECK(one == 1);
        }
        pool.shutdown(); // comes to an end
    });
}

// --- the end ------------------------------------------------------------------------------------------------------------

TEST_CASE("X6: after shutdown() a call throws broken_executor; what came before is done first") {
    aya::process_pool pool({.max_workers = 2});
    std::vector<std::future<int>> calls;
    for (int i = 0; i < 1000; ++i)
        calls.push_back(pool.submit<&add>(i, 1));
    pool.shutdown();
    CHECK(pool.children().empty());
    for (int i = 0; i < 1000; ++i)
        CHECK(calls[static_cast<std::size_t>(i)].get() == i + 1);
    CHECK_THROWS_WITH_AS(pool.submit<&add>(1, 1).get(), "aya::process_pool: the pool is shut down", aya::broken_executor);
    pool.shutdown();
}

TEST_CASE("X9: kill_workers() and terminate_workers() end all calls and every child, and the pool takes no more") {
    for (bool kill : {true, false}) {
        test::temporary_folder const folder;
        test::gate gate(folder);
        aya::process_pool pool({.max_workers = 2});
        auto running = pool.submit<&wait_at_gate>(gate.path(), 1);
        CHECK(test::eventually_outside([&] { return gate.somebody_waits(); }));
        std::vector<std::future<int>> waiting;
        auto second = pool.submit<&wait_at_gate>(gate.path(), 1);
        for (int i = 0; i < 300; ++i)
            waiting.push_back(pool.submit<&wait_at_gate>(gate.path(), 1));
        auto const children = pool.children();
        kill ? pool.kill_workers() : pool.terminate_workers();
        CHECK_THROWS_AS(running.get(), aya::broken_executor);
        CHECK_THROWS_AS(second.get(), aya::broken_executor);
        for (auto& w : waiting)
            CHECK_THROWS_AS(w.get(), aya::broken_executor);
        CHECK_THROWS_AS(pool.submit<&add>(1, 1).get(), aya::broken_executor);
        CHECK(test::eventually_outside([&] { return pool.children().empty(); }));
        for (pid_t const pid : children)
            CHECK_FALSE(test::runs(pid));
    }
}

TEST_CASE("process_pool: a runtime may end while its calls run") {
    test::temporary_folder const folder;
    test::gate gate(folder);
    aya::process_pool pool({.max_workers = 1});
    {
        aya::runtime rt({.workers = 2});
        auto call = [](aya::process_pool& p, std::string path) -> aya::task<int> {
            co_return co_await aya::to_process<&wait_at_gate>(p, path, 1);
        };
        (void)rt.spawn(call, std::ref(pool), gate.path());
        CHECK(test::eventually_outside([&] { return gate.somebody_waits(); }));
    }
    CHECK(pool.submit<&add>(1, 2).get() == 3); // its child was killed, and replaced
    CHECK(pool.children_started() == 2);
}

} // namespace
