// SPDX-License-Identifier: Apache-2.0
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

using namespace std::chrono_literals;

namespace {

/// A thread with a queue of functions, as a program may have one already.
class foreign_thread {
public:
    ~foreign_thread() {
        post({});
        thread_.join();
    }
    void post(std::function<void()> f) {
        std::lock_guard const hold(mutex_);
        queue_.push_back(std::move(f));
        changed_.notify_one();
    }
    [[nodiscard]] std::thread::id id() const { return thread_.get_id(); }

private:
    void serve() {
        for (;;) {
            std::unique_lock lock(mutex_);
            changed_.wait(lock, [&] { return !queue_.empty(); });
            auto const f = std::move(queue_.front());
            queue_.pop_front();
            lock.unlock();
            if (!f)
                return;
            f();
        }
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<std::function<void()>> queue_;
    std::thread thread_{[this] { serve(); }};
};

struct foreign_executor {
    foreign_thread* thread;
    void execute(aya::work w) const {
        thread->post([shared = std::make_shared<aya::work>(std::move(w))] { (*shared)(); });
    }
};
static_assert(aya::executor<foreign_executor>);
static_assert(aya::executor<aya::any_executor>);
static_assert(aya::executor<aya::inline_executor>);
static_assert(aya::executor<aya::strand>);
static_assert(!aya::executor<int>);

struct dropping_executor {
    std::shared_ptr<std::atomic<int>> accepts; // so many, and then no more
    void execute(aya::work w) const {
        if (accepts->fetch_sub(1) > 0)
            w();
    }
};

struct throwing_executor {
    void execute(aya::work) const { throw std::runtime_error("full"); }
};

/// The body, with each kind of executor.
template <class Body>
void on_each_executor(aya::runtime& rt, Body const& body) {
    foreign_thread thread;
    aya::cpu_pool const cpu({.threads = 2});
    aya::blocking_pool const blocking;
    aya::runtime other({.workers = 1});
    struct named {
        char const* name;
        aya::any_executor executor;
    };
    std::vector<named> const all = {{"cpu_pool", cpu},
                                    {"blocking_pool", blocking},
                                    {"inline_executor", aya::inline_executor()},
                                    {"the runtime's own", rt.executor()},
                                    {"another runtime", other.executor()},
                                    {"a foreign thread", foreign_executor{&thread}},
                                    {"a strand of the runtime", aya::strand(rt.executor())},
                                    {"a strand of a CPU pool", aya::strand(cpu)}};
    for (named const& each : all) {
        CAPTURE(each.name);
        body(each.executor);
    }
}

} // namespace

TEST_CASE("run_in_executor: results and exceptions, on every executor") {
    test::on_every_runtime([](aya::runtime& rt) {
        on_each_executor(rt, [&](aya::any_executor const& e) {
            auto call = [](aya::any_executor on) -> aya::task<int> {
                int const sum = co_await aya::run_in_executor(on, [](int a, std::unique_ptr<int> b) { return a + *b; }, 40,
                                                              std::make_unique<int>(2));
                bool const threw = co_await test::throws<std::logic_error>(
                    aya::run_in_executor(on, []() -> int { throw std::logic_error("expected"); }));
                CHECK(threw);
                co_return sum;
            };
            CHECK(rt.block_on(call, e) == 42);
        });
    });
}

TEST_CASE("create_task with an executor: it runs there, with sleeps, timeouts, queues, gather, groups and cancellation") {
    test::on_every_runtime([](aya::runtime& rt) {
        on_each_executor(rt, [&](aya::any_executor const& e) {
            auto body = [](aya::any_executor on) -> aya::task<int> {
                CHECK(aya::this_executor() == on);
                co_await aya::yield();
                CHECK(aya::this_executor() == on);
                co_await aya::sleep(1ms);
                CHECK(aya::this_executor() == on);
                bool const late = co_await test::throws<aya::timeout_error>(aya::timeout(1ms, test::forever));
                CHECK(late);

                aya::queue<int> numbers(2);
                auto produce = [](aya::queue<int>* q) -> aya::task<> {
                    for (int i = 1; i <= 10; ++i)
                        co_await q->put(i);
                };
                auto consume = [](aya::queue<int>* q) -> aya::task<int> {
                    int sum = 0;
                    for (int i = 1; i <= 10; ++i)
                        sum += co_await q->get();
                    co_return sum;
                };
                auto const [nothing, sum] = co_await aya::gather(produce(&numbers), consume(&numbers));
                static_cast<void>(nothing);

                auto const endless = aya::create_task(test::forever);
                co_await aya::yield();
                endless.cancel();
                bool const stopped = co_await test::throws<aya::cancelled_error>(endless);
                CHECK(stopped);

                int grouped = 0;
                co_await aya::with_task_group([&](aya::task_group& g) -> aya::task<> {
                    auto const one = g.create_task([]() -> aya::task<int> { co_return 1; });
                    grouped = co_await one;
                });
                CHECK(aya::this_executor() == on);
                co_return sum + grouped;
            };
            auto creator = [](aya::any_executor on, auto f) -> aya::task<int> {
                co_return co_await aya::create_task({.name = "there", .executor = on}, f, on);
            };
            CHECK(rt.block_on(creator, e, body) == 56);
        });
    });
}

TEST_CASE("create_task with an executor: tasks that wait for each other across executors") {
    test::on_every_runtime([](aya::runtime& rt) {
        aya::cpu_pool const cpu({.threads = 2});
        auto ping_pong = [](aya::any_executor there) -> aya::task<int> {
            aya::queue<int> to(1), back(1);
            auto echo = [](aya::queue<int>* in, aya::queue<int>* out) -> aya::task<> {
                while (int const i = co_await in->get())
                    co_await out->put(i + 1);
            };
            auto const h = aya::create_task({.executor = there}, echo, &to, &back);
            int i = 1;
            for (int round = 0; round < 200; ++round) {
                co_await to.put(i);
                i = co_await back.get();
            }
            co_await to.put(0);
            co_await h;
            co_return i;
        };
        CHECK(rt.block_on(ping_pong, cpu.executor()) == 201);
        CHECK(rt.block_on(ping_pong, aya::any_executor(aya::inline_executor())) == 201);
    });
}

TEST_CASE("an executor that drops or throws: the call fails, the task that has not begun fails, the one that has is cancelled") {
    test::on_every_runtime([](aya::runtime& rt) {
        auto call = [](aya::any_executor on) -> aya::task<bool> {
            co_return co_await test::throws<aya::broken_executor>(aya::run_in_executor(on, [] {}));
        };
        auto create = [](aya::any_executor on) -> aya::task<bool> {
            auto const h = aya::create_task({.executor = on}, test::forever);
            co_return co_await test::throws<aya::broken_executor>(h);
        };
        auto move = [](aya::any_executor on) -> aya::task<bool> {
            aya::any_executor const home = aya::this_executor();
            bool const threw = co_await test::throws<aya::broken_executor>(aya::resume_on(on));
            CHECK(aya::this_executor() == home);
            co_await aya::yield();
            co_return threw;
        };
        aya::any_executor const drops = dropping_executor{std::make_shared<std::atomic<int>>(0)};
        for (aya::any_executor const& e : {drops, aya::any_executor(throwing_executor()), aya::any_executor(aya::strand(drops))}) {
            CHECK(rt.block_on(call, e));
            CHECK(rt.block_on(create, e));
            CHECK(rt.block_on(move, e));
        }
        auto lose_it = []() -> aya::task<bool> {
            aya::any_executor const drops_later = dropping_executor{std::make_shared<std::atomic<int>>(2)};
            bool cleaned_up = false;
            auto cleans_up = [](bool* cleaned) -> aya::task<> {
                co_await aya::yield(); // its second step
                bool const lost = co_await test::throws<aya::cancelled_error>(aya::yield()); // the third is refused
                CHECK(lost);
                co_await aya::yield();
                *cleaned = true;
            };
            auto const h = aya::create_task({.executor = drops_later}, cleans_up, &cleaned_up);
            co_await h;
            co_return cleaned_up;
        };
        CHECK(rt.block_on(lose_it));
    });
}

TEST_CASE("task_group: a child on an executor, and one in a context") {
    test::on_every_runtime([](aya::runtime& rt) {
        auto grouped = []() -> aya::task<int> {
            static aya::context_var<int> number(1);
            aya::cpu_pool const cpu({.threads = 2});
            aya::context const other;
            other.run([] { (void)number.set(40); });
            int sum = 0;
            co_await aya::with_task_group([&](aya::task_group& g) -> aya::task<> {
                auto on_cpu = [](aya::any_executor expected) -> aya::task<int> {
                    co_await aya::yield();
                    co_return aya::this_executor() == expected ? 2 : 0;
                };
                auto in_context = []() -> aya::task<int> { co_return number.get(); };
                auto const a = g.create_task({.executor = cpu}, on_cpu, cpu.executor());
                auto const b = g.create_task({.context = &other}, in_context);
                sum = co_await a + co_await b;
            });
            co_return sum;
        };
        CHECK(rt.block_on(grouped) == 42);
    });
}

TEST_CASE("resume_on: there and back, also from a child of a gather, and from a task that is cancelled") {
    test::on_every_runtime([](aya::runtime& rt) {
        on_each_executor(rt, [&](aya::any_executor const& e) {
            auto travel = [](aya::any_executor there) -> aya::task<int> {
                aya::any_executor const home = aya::this_executor();
                for (int i = 0; i < 5; ++i) {
                    co_await aya::resume_on(there);
                    CHECK(aya::this_executor() == there);
                    co_await aya::sleep(10us);
                    co_await aya::resume_on(there);
                    co_await aya::resume_on(home);
                    CHECK(aya::this_executor() == home);
                }
                co_await aya::resume_on(there);
                co_return 1;
            };
            auto together = [](aya::any_executor there, auto f) -> aya::task<int> {
                auto const [a, b, c] = co_await aya::gather(f(there), f(there), f(there));
                co_return a + b + c + co_await f(there);
            };
            CHECK(rt.block_on(together, e, travel) == 4);

            auto cancelled_on_the_way = [](aya::any_executor there) -> aya::task<bool> {
                (void)aya::current_task().cancel("stop");
                try {
                    co_await aya::resume_on(there);
                    co_await aya::yield();
                } catch (aya::cancelled_error const& error) {
                    (void)aya::current_task().uncancel();
                    co_return error.message() == "stop";
                }
                co_return false;
            };
            CHECK(rt.block_on(cancelled_on_the_way, e));
        });
    });
}

TEST_CASE("strand: no two steps at once, and in order of submission") {
    test::on_every_runtime([](aya::runtime& rt) {
        aya::cpu_pool const cpu({.threads = 4});
        for (bool const on_cpu : {false, true}) {
            auto count = [](aya::any_executor below) -> aya::task<int> {
                aya::strand const s(below);
                int counter = 0; // no lock: that is the point
                bool inside = false;
                auto add = [](int* n, bool* in) -> aya::task<> {
                    for (int i = 0; i < 100; ++i) {
                        CHECK_FALSE(std::exchange(*in, true));
                        ++*n;
                        *in = false;
                        co_await aya::yield();
                    }
                };
                std::vector<aya::task_handle<>> all;
                for (int i = 0; i < 20; ++i)
                    all.push_back(aya::create_task({.executor = s}, add, &counter, &inside));
                for (auto const& h : all)
                    co_await h;
                co_return counter;
            };
            CHECK(rt.block_on(count, on_cpu ? cpu.executor() : rt.executor()) == 2000);
        }
        auto order = [](aya::any_executor below) -> aya::task<std::vector<int>> {
            aya::strand const s(below);
            std::vector<int> seen;
            std::vector<aya::task_handle<>> all;
            for (int i = 0; i < 10; ++i)
                all.push_back(aya::create_task({.executor = s}, [](std::vector<int>* v, int n) -> aya::task<> {
                    v->push_back(n);
                    co_return;
                }, &seen, i));
            for (auto const& h : all)
                co_await h;
            co_return seen;
        };
        CHECK(rt.block_on(order, rt.executor()) == std::vector{0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
    });
}

TEST_CASE("strand: lives as long as what runs on it") {
    aya::runtime rt({.workers = 2});
    auto leave = [](test::census* c) -> aya::task<> {
        auto body = [](auto alive) -> aya::task<> {
            for (int i = 0; i < 10; ++i)
                co_await aya::yield();
            static_cast<void>(alive);
        };
        for (int i = 0; i < 100; ++i)
            (void)aya::create_task({.executor = aya::strand()}, body, c->make()); // neither the strand nor the handle is kept
        co_return;
    };
    test::census census;
    rt.block_on(leave, &census);
    CHECK(test::eventually_outside([&] { return census.live() == 0; }));
}

TEST_CASE("inline_executor: a long chain of tasks that wake each other needs no deep stack") {
    aya::runtime rt({.scheduler = aya::scheduler_kind::event_loop});
    auto chain = []() -> aya::task<int> {
        aya::any_executor const here = aya::inline_executor();
        constexpr int length = 20'000;
        auto pass_on = [](aya::task_handle<int> before) -> aya::task<int> { co_return 1 + co_await before; };
        aya::event go;
        auto first = [](aya::event* e) -> aya::task<int> {
            co_await e->wait();
            co_return 0;
        };
        auto last = aya::create_task({.executor = here}, first, &go);
        for (int i = 0; i < length; ++i)
            last = aya::create_task({.executor = here}, pass_on, last);
        go.set();
        co_return co_await last;
    };
    CHECK(rt.block_on(chain) == 20'000);
}

namespace {

/// Work that is kept: what comes first, and what is moved over it.
struct keeping_executor {
    std::shared_ptr<std::vector<aya::work>> kept;
    void execute(aya::work w) const {
        if (kept->empty())
            kept->push_back(std::move(w));
        else
            kept->front() = std::move(w);
    }
};

struct passing_executor {
    aya::any_executor to;
    void execute(aya::work w) const { to.execute(std::move(w)); }
};

struct calling_executor {
    void execute(aya::work w) const { aya::inline_executor().execute(std::move(w)); }
};

} // namespace

TEST_CASE("work: what is moved over is refused, what is called twice runs once") {
    test::on_ordered_runtimes([](aya::runtime& rt) {
        rt.block_on([]() -> aya::task<> {
            auto const kept = std::make_shared<std::vector<aya::work>>();
            aya::any_executor const e = keeping_executor{kept};
            static int calls;
            calls = 0;
            auto call = [](aya::any_executor on) -> aya::task<int> { co_return co_await aya::run_in_executor(on, [] { return ++calls; }); };
            auto const first = aya::create_task(call, e);
            auto const second = aya::create_task(call, e);
            while (kept->empty() || !first.done())
                co_await aya::yield();
            CHECK(co_await test::throws<aya::broken_executor>(first));
            CHECK(calls == 0);
            kept->front()();
            kept->front()();
            CHECK(co_await second == 1);
            CHECK(calls == 1);
        });
    });
}

TEST_CASE("executors that pass their work on: to any executor, and to one that runs it at once") {
    CHECK(aya::inline_executor() == aya::inline_executor());
    test::on_every_runtime([](aya::runtime& rt) {
        on_each_executor(rt, [&](aya::any_executor const& e) {
            auto call = [](aya::any_executor on) -> aya::task<int> { co_return co_await aya::run_in_executor(on, [] { return 42; }); };
            CHECK(rt.block_on(call, aya::any_executor(passing_executor{e})) == 42);
        });
        auto on_which_thread = [](aya::any_executor on) -> aya::task<bool> {
            std::thread::id const here = std::this_thread::get_id(); // before the call: it may come back elsewhere
            co_return co_await aya::run_in_executor(on, [] { return std::this_thread::get_id(); }) == here;
        };
        CHECK(rt.block_on(on_which_thread, aya::any_executor(calling_executor{})));
    });
}
