// SPDX-License-Identifier: Apache-2.0
// E07: each scene is played again and again, and its subject is cancelled before its first step, after the first turn of the loop, after the
// second, ... until it is done by then. A helper wakes the subject in turns of its own, so on one thread every point is met: before the
// wake-up, between the wake-up and the resume, and after it. On several workers the points are met by chance. Each time the subject
// ends cancelled, and nothing is lost: permits, items, the exclusion, the other tasks.
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;

namespace {

aya::task<> pause(int turns) {
    for (int i = 0; i < turns; ++i)
        co_await aya::yield();
}

/// One play. Gives what is wrong; `reached` tells whether the subject was not done yet when it was cancelled.
template <class Scene>
aya::task<std::string> cancel_at(std::size_t turn, std::shared_ptr<bool> reached) {
    auto const scene = std::make_shared<Scene>();
    auto const subject = aya::create_task(scene->subject());
    auto const helper = aya::create_task(scene->helper());
    for (std::size_t i = 0; i < turn && !subject.done(); ++i)
        co_await aya::yield();
    *reached = subject.cancel("enough");
    std::string wrong;
    try {
        co_await subject;
        if (*reached)
            wrong = "the subject ended as if nobody had cancelled it; ";
    } catch (aya::cancelled_error const&) {
        if (!*reached)
            wrong = "cancelled by nobody; ";
    }
    scene->subject_is_done();
    co_await helper;
    // What the subject has left behind may take a moment more.
    auto const deadline = std::chrono::steady_clock::now() + 60s;
    while (!scene->quiet() && std::chrono::steady_clock::now() < deadline)
        co_await aya::yield();
    co_return wrong + scene->wrong();
}

struct no_scene {
    void subject_is_done() {}
    [[nodiscard]] bool quiet() const { return true; }
};

template <class Scene>
void play(test::place where = test::place::current()) {
    auto const body = [](aya::runtime& rt) {
        auto const reached = std::make_shared<bool>(true);
        // Elsewhere, and where threads of other pools take part, the subject may be done at any turn.
        bool const ordered = rt.worker_count() == 1 && !requires { Scene::in_threads; };
        std::size_t turn = 0;
        for (; ordered ? *reached && turn < 1000 : turn < 20; ++turn) {
            CAPTURE(turn);
            std::string const wrong = rt.block_on(cancel_at<Scene>(turn, reached));
            CHECK(wrong == "");
        }
        CHECK(turn >= 3);
        CHECK(turn < 1000);
    };
    test::on_every_runtime(body, {}, where);
}

// --- primitives -----------------------------------------------------------------------------------------------------------

struct mutexes : no_scene {
    aya::mutex m;
    std::atomic<int> inside{0};
    std::atomic<bool> met{false};

    aya::task<> take_turns(int rounds) {
        for (int i = 0; i < rounds; ++i) {
            {
                auto const guard = co_await m.lock();
                if (inside.fetch_add(1) != 0)
                    met = true;
                struct leave {
                    std::atomic<int>& n;
                    ~leave() { n.fetch_sub(1); }
                } const at_the_end{inside};
                co_await pause(2);
            }
            co_await aya::yield();
        }
    }
    aya::task<> subject() { return take_turns(4); }
    aya::task<> helper() { return take_turns(6); }
    std::string wrong() { return met ? "two inside" : m.locked() ? "still locked" : ""; }
};

struct semaphores : no_scene {
    aya::semaphore s{2};

    aya::task<> use(int rounds) {
        for (int i = 0; i < rounds; ++i) {
            auto const first = co_await s.acquire();
            co_await aya::yield();
        }
    }
    aya::task<> subject() { return use(4); }
    aya::task<> helper() {
        for (int i = 0; i < 4; ++i) {
            auto const one = co_await s.acquire();
            auto const two = co_await s.acquire();
            co_await pause(2);
        }
    }
    std::string wrong() {
        int permits = 0;
        while (s.try_acquire())
            ++permits;
        return permits == 2 ? "" : std::to_string(permits) + " permits instead of 2";
    }
};

struct events : no_scene {
    aya::event e;
    std::atomic<int> woken{0};

    aya::task<> subject() {
        for (int i = 0; i < 4; ++i) {
            co_await e.wait();
            ++woken;
            co_await aya::yield();
        }
    }
    aya::task<> helper() {
        for (int i = 0; i < 4; ++i) {
            co_await pause(3);
            e.set();
            co_await aya::yield();
            e.clear();
        }
        e.set();
    }
    std::string wrong() { return woken <= 4 && e.is_set() ? "" : "woken too often"; }
};

struct conditions : no_scene {
    aya::mutex m;
    aya::condition_variable changed{m};
    int stock = 0;
    int sold = 0;
    bool over = false;
    bool lost = false;
    std::atomic<bool> subject_done{false};

    aya::task<> buy(int n) {
        for (int i = 0; i < n; ++i) {
            auto const guard = co_await m.lock();
            co_await changed.wait(guard, [this] { return stock > 0 || over; });
            if (stock == 0)
                co_return;
            --stock;
            ++sold;
        }
    }
    aya::task<> subject() { return buy(4); }
    /// A second buyer must get what the subject leaves, and the wake-ups that it was given.
    aya::task<> helper() {
        auto const other = aya::create_task(buy(8));
        for (int i = 0; i < 8; ++i) {
            co_await pause(2);
            auto const guard = co_await m.lock();
            ++stock;
            changed.notify();
        }
        while (!subject_done)
            co_await aya::yield();
        bool all_sold = false;
        auto const deadline = std::chrono::steady_clock::now() + 60s;
        while (!all_sold && std::chrono::steady_clock::now() < deadline) {
            co_await aya::yield();
            auto const guard = co_await m.lock();
            all_sold = sold == 8;
        }
        {
            auto const guard = co_await m.lock();
            lost = !all_sold;
            over = true;
            changed.notify_all();
        }
        co_await other;
    }
    void subject_is_done() { subject_done = true; }
    std::string wrong() {
        return m.locked() ? "still locked" : lost ? "nobody was woken for what is there" : "";
    }
};

struct barriers : no_scene {
    aya::barrier b{2};

    aya::task<> subject() {
        for (int i = 0; i < 3; ++i) {
            (void)co_await b.wait();
            co_await aya::yield();
        }
    }
    aya::task<> helper() {
        try {
            for (int i = 0; i < 3; ++i) {
                co_await pause(2);
                (void)co_await b.wait();
            }
        } catch (aya::broken_barrier_error const&) {
        }
    }
    void subject_is_done() { b.abort(); }
    std::string wrong() { return b.n_waiting() == 0 ? "" : "somebody waits"; }
};

// --- queues ---------------------------------------------------------------------------------------------------------------

template <class Queue>
struct getters : no_scene {
    Queue q;
    std::vector<int> got;

    aya::task<> subject() {
        for (int i = 0; i < 5; ++i) {
            int const item = co_await q.get();
            got.push_back(item);
            co_await aya::yield();
        }
    }
    aya::task<> helper() {
        for (int i = 0; i < 5; ++i) {
            co_await pause(i % 3 + 1);
            q.put_nowait(i);
        }
    }
    std::string wrong() {
        std::vector<int> all = got;
        while (!q.empty())
            all.push_back(q.get_nowait());
        std::sort(all.begin(), all.end());
        return all == std::vector<int>{0, 1, 2, 3, 4} ? "" : std::to_string(all.size()) + " items of 5";
    }
};

template <class Queue>
struct putters : no_scene {
    Queue q{1};
    std::vector<int> accepted;
    std::vector<int> got;
    std::atomic<bool> subject_done{false};

    aya::task<> subject() {
        for (int i = 0; i < 5; ++i) {
            co_await q.put(i);
            accepted.push_back(i);
        }
    }
    aya::task<> helper() {
        while (!subject_done || !q.empty()) {
            co_await pause(2);
            if (!q.empty())
                got.push_back(q.get_nowait());
        }
    }
    void subject_is_done() { subject_done = true; }
    std::string wrong() {
        return got == accepted ? "" : std::to_string(accepted.size()) + " accepted, " + std::to_string(got.size()) + " got";
    }
};

struct joiners : no_scene {
    aya::queue<int> q;

    joiners() {
        for (int i = 0; i < 4; ++i)
            q.put_nowait(i);
    }
    aya::task<> subject() {
        co_await q.join();
        co_await aya::yield();
    }
    aya::task<> helper() {
        for (int i = 0; i < 4; ++i) {
            (void)co_await q.get();
            co_await aya::yield();
            q.task_done();
        }
    }
    std::string wrong() { return q.empty() ? "" : "not empty"; }
};

// --- combinators ----------------------------------------------------------------------------------------------------------

/// Children that count themselves.
struct with_children : no_scene {
    std::atomic<int> live{0};
    std::atomic<int> finished{0};

    /// In a child's frame, from the call on: one that has not begun may begin yet.
    struct present {
        explicit present(std::atomic<int>& counter) : n(&counter) { n->fetch_add(1); }
        present(present&& other) noexcept : n(std::exchange(other.n, nullptr)) {}
        ~present() {
            if (n != nullptr)
                n->fetch_sub(1);
        }
        std::atomic<int>* n;
    };
    aya::task<int> child(int turns) { return present_child(turns, present(live)); }
    aya::task<int> present_child(int turns, present) {
        co_await pause(turns);
        ++finished;
        co_return turns;
    }
    aya::task<> helper() { return pause(3); }
    [[nodiscard]] bool quiet() const { return live == 0; }
    std::string wrong() { return live == 0 ? "" : std::to_string(live) + " children live"; }
};

struct gathers : with_children {
    aya::task<> subject() {
        auto const [a, b, c] = co_await aya::gather(child(1), child(2), inner());
        static_cast<void>(a + b + c);
    }
    aya::task<int> inner() { return present_inner(present(live)); }
    aya::task<int> present_inner(present) {
        std::vector<aya::task<int>> more;
        for (int i = 0; i < 4; ++i)
            more.push_back(child(i));
        auto const results = co_await aya::gather(std::move(more));
        co_return static_cast<int>(results.size());
    }
};

struct bounded_gathers : with_children {
    aya::task<> subject() {
        std::vector<aya::task<int>> some;
        for (int i = 0; i < 5; ++i)
            some.push_back(child(i));
        (void)co_await aya::gather(aya::max_concurrency{2}, std::move(some));
    }
};

struct groups : with_children {
    std::atomic<bool> left_behind{false};

    static aya::task<> body(aya::task_group& group, groups* self, int depth) {
        for (int i = 0; i < 2; ++i)
            group.create_task(self->child(i + 1));
        if (depth != 0)
            group.create_task(aya::with_task_group(body, self, depth - 1));
        co_await aya::yield();
    }
    aya::task<> subject() {
        try {
            co_await aya::with_task_group(body, this, 2);
        } catch (...) {
            left_behind = live != 0;
            throw;
        }
        left_behind = live != 0;
    }
    std::string wrong() { return left_behind ? "a group was left before its children ended" : with_children::wrong(); }
};

struct scopes : with_children {
    static aya::task<> inner(scopes* self) {
        co_await aya::timeout(1h, [](scopes* s) -> aya::task<> { (void)co_await s->child(3); }, self);
        (void)co_await aya::wait_for(self->child(2), 1h);
    }
    aya::task<> subject() {
        co_await aya::timeout(2h, inner, this);
        try {
            co_await aya::timeout(0s, [](scopes* s) -> aya::task<> { (void)co_await s->child(3); }, this);
        } catch (aya::timeout_error const&) {
        }
        co_await aya::yield();
    }
};

/// The awaited tasks go on when their watcher is cancelled.
struct watchers : with_children {
    std::vector<aya::task_handle<int>> some;

    aya::task<> subject() {
        for (int i = 0; i < 3; ++i)
            some.push_back(aya::create_task(child(2 * i + 1)));
        (void)co_await aya::wait(some, {.return_when = aya::first_completed});
        (void)co_await aya::shield(some[1]);
        auto stream = aya::as_completed(some);
        while (auto const h = co_await stream.next())
            co_await aya::yield();
    }
    std::string wrong() {
        return finished == static_cast<int>(some.size()) ? with_children::wrong() : "a task that was only watched did not end";
    }
};

struct calls : no_scene {
    static constexpr bool in_threads = true;
    test::census objects;

    aya::task<> subject() {
        for (int i = 0; i < 3; ++i) {
            auto call = aya::to_thread([](test::census::resident) { return 1; }, objects.make());
            (void)co_await std::move(call);
            co_await aya::yield();
        }
    }
    aya::task<> helper() { return pause(3); }
    [[nodiscard]] bool quiet() const { return objects.live() == 0; }
    std::string wrong() { return objects.live() == 0 ? "" : "arguments of a call are left"; }
};

struct generators : with_children {
    aya::async_generator<int> numbers() {
        for (int i = 0; i < 3; ++i)
            co_yield co_await child(2);
    }
    aya::task<> subject() {
        auto all = numbers();
        while (auto const i = co_await all.next())
            co_await aya::yield();
    }
};

struct futures : no_scene {
    aya::promise<int> p;
    std::atomic<bool> set{false};

    aya::task<> subject() {
        co_await aya::yield();
        // A cancelled awaiter takes the future with it, as in asyncio: this one is the subject's own.
        (void)co_await p.get_future();
        co_await aya::yield();
    }
    aya::task<> helper() {
        co_await pause(3);
        try {
            p.set_value(1);
        } catch (aya::invalid_state_error const&) { // cancelled before
        }
    }
    std::string wrong() { return p.get_future().done() ? "" : "the future is pending"; }
};

struct retries : with_children {
    aya::task<> subject() {
        try {
            co_await aya::retry({.max_retries = 3, .base_delay = 1us}, [](retries* self) -> aya::task<> {
                (void)co_await self->child(1);
                throw std::runtime_error("again");
            }, this);
        } catch (std::runtime_error const&) {
        }
    }
};

} // namespace

TEST_CASE("E07: cancelled at every point around a mutex") { play<mutexes>(); }
TEST_CASE("E07: cancelled at every point around a semaphore") { play<semaphores>(); }
TEST_CASE("E07: cancelled at every point around an event") { play<events>(); }
TEST_CASE("E07: cancelled at every point around a condition variable") { play<conditions>(); }
TEST_CASE("E07: cancelled at every point around a barrier") { play<barriers>(); }
TEST_CASE("E07: cancelled at every point of a get") {
    play<getters<aya::queue<int>>>();
    play<getters<aya::lifo_queue<int>>>();
    play<getters<aya::priority_queue<int>>>();
}
TEST_CASE("E07: cancelled at every point of a put") {
    play<putters<aya::queue<int>>>();
    play<putters<aya::priority_queue<int>>>();
}
TEST_CASE("E07: cancelled at every point of a join of a queue") { play<joiners>(); }
TEST_CASE("E07: cancelled at every point of a gather") {
    play<gathers>();
    play<bounded_gathers>();
}
TEST_CASE("E07: cancelled at every point of task groups within task groups") { play<groups>(); }
TEST_CASE("E07: cancelled at every point of timeout scopes within timeout scopes") { play<scopes>(); }
TEST_CASE("E07: cancelled at every point of wait, shield and as_completed") { play<watchers>(); }
TEST_CASE("E07: cancelled at every point of calls in threads") { play<calls>(); }
TEST_CASE("E07: cancelled at every point of a generator") { play<generators>(); }
TEST_CASE("E07: cancelled at every point around a future") { play<futures>(); }
TEST_CASE("E07: cancelled at every point of retries") { play<retries>(); }
