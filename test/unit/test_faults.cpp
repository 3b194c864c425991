// SPDX-License-Identifier: Apache-2.0
// What the system refuses, and what programs do at the worst moment. The numbers are those of test/README.md.
#include "support/child_output.hpp"
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <fstream>
#include <limits>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

using namespace std::chrono_literals;

namespace {

aya::task<int> one() {
    co_await aya::yield();
    co_return 1;
}

/// So many tasks, each flips its own slot: exactly once.
aya::task<bool> exactly_once(std::size_t count) {
    auto const slots = std::make_shared<std::vector<std::atomic<int>>>(count);
    std::vector<aya::task<>> all;
    for (std::size_t i = 0; i < count; ++i)
        all.push_back([](std::shared_ptr<std::vector<std::atomic<int>>> s, std::size_t mine) -> aya::task<> {
            if (mine % 3 == 0)
                co_await aya::yield();
            if (mine % 50 == 0)
                co_await aya::sleep(std::chrono::microseconds(mine % 7));
            (*s)[mine].fetch_add(1);
        }(slots, i));
    co_await aya::gather(std::move(all));
    for (auto const& s : *slots)
        if (s.load() != 1)
            co_return false;
    co_return true;
}

#if !AYA_SANITIZED
/// While it lives, `count` more threads can be started, or a few less: their stacks are large, and there is address space for so many.
class room_for_threads {
public:
    explicit room_for_threads(std::size_t count) {
        pthread_getattr_default_np(&usual_);
        pthread_attr_t large;
        pthread_attr_init(&large);
        pthread_attr_setstacksize(&large, stack);
        pthread_setattr_default_np(&large);
        pthread_attr_destroy(&large);
        ::getrlimit(RLIMIT_AS, &before_);
        std::size_t pages = 0;
        std::ifstream("/proc/self/statm") >> pages;
        rlimit limit = before_;
        limit.rlim_cur = pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)) + count * (stack + (1 << 20)) + stack / 2;
        ::setrlimit(RLIMIT_AS, &limit);
    }
    ~room_for_threads() {
        ::setrlimit(RLIMIT_AS, &before_);
        pthread_setattr_default_np(&usual_);
        pthread_attr_destroy(&usual_);
    }
    room_for_threads(room_for_threads const&) = delete;
    room_for_threads& operator=(room_for_threads const&) = delete;

private:
    static constexpr std::size_t stack = std::size_t{1} << 30;
    pthread_attr_t usual_{};
    rlimit before_{};
};
#endif

} // namespace

#if !AYA_SANITIZED
TEST_CASE("E12, E13: the k-th thread of a runtime cannot be started: its constructor throws, and nothing is left") {
    std::size_t refused = 0;
    for (std::size_t k = 0; k < 4; ++k) {
        room_for_threads const few(k);
        try {
            aya::runtime rt(test::kind{6}.options());
        } catch (std::system_error const&) {
            ++refused;
        } catch (std::bad_alloc const&) {
            ++refused;
        }
    }
    CHECK(refused == 4);
    aya::runtime rt(test::kind{6}.options());
    CHECK(rt.block_on(exactly_once, std::size_t{1000}));
}

TEST_CASE("E12: no thread for a blocking call: it fails with broken_executor; with some threads, calls wait for these") {
    aya::runtime rt(test::kind{2}.options());
    {
        room_for_threads const none(0);
        CHECK_THROWS_AS(rt.block_on([]() -> aya::task<> { co_await aya::to_thread([] {}); }), aya::broken_executor);
    }
    auto many = []() -> aya::task<int> {
        co_await aya::to_thread([] {}); // one thread is there
        room_for_threads const none(0);
        std::vector<aya::task<int>> calls;
        for (int i = 0; i < 20; ++i)
            calls.push_back([]() -> aya::task<int> { co_return co_await aya::to_thread([] { return 1; }); }());
        int sum = 0;
        for (int const i : co_await aya::gather(std::move(calls)))
            sum += i;
        co_return sum;
    };
    CHECK(rt.block_on(many) == 20);
}
#endif

// Not with sanitizers: UBSan opens a pipe to look at an object of a type that it has not met, and calls it broken where it cannot.
TEST_CASE("E14: no descriptor for a loop that a host drives: its constructor throws, and the next one works" * doctest::skip(AYA_SANITIZED != 0)) {
    aya::runtime_options options;
    options.scheduler = aya::scheduler_kind::event_loop;
    options.driven_by_host = true;
    rlimit before{};
    ::getrlimit(RLIMIT_NOFILE, &before);
    for (unsigned free = 0; free < 3; ++free) {
        // The lowest free descriptors are what the next ones get.
        std::vector<int> taken;
        rlimit low = before;
        low.rlim_cur = 128;
        ::setrlimit(RLIMIT_NOFILE, &low);
        for (int d = ::fcntl(0, F_DUPFD_CLOEXEC, 0); d >= 0; d = ::fcntl(0, F_DUPFD_CLOEXEC, 0))
            taken.push_back(d);
        for (unsigned i = 0; i < free && !taken.empty(); ++i) {
            ::close(taken.back());
            taken.pop_back();
        }
        bool refused = false;
        try {
            aya::runtime rt(options);
        } catch (std::system_error const&) {
            refused = true;
        }
        for (int const d : taken)
            ::close(d);
        ::setrlimit(RLIMIT_NOFILE, &before);
        CHECK(refused);
    }
    aya::runtime rt(options);
    CHECK(rt.descriptor() >= 0);
}

TEST_CASE("E17: 1, 3 and 64 workers on one CPU run every task exactly once") {
    cpu_set_t usual;
    CPU_ZERO(&usual);
    REQUIRE(sched_getaffinity(0, sizeof usual, &usual) == 0);
    cpu_set_t first;
    CPU_ZERO(&first);
    for (std::size_t cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&first) == 0; ++cpu)
        if (CPU_ISSET(cpu, &usual))
            CPU_SET(cpu, &first);
    REQUIRE(sched_setaffinity(0, sizeof first, &first) == 0);
    for (std::size_t const workers : {1U, 3U, 64U}) {
        CAPTURE(workers);
        aya::runtime rt(test::kind{workers}.options());
        CHECK(rt.block_on(exactly_once, std::size_t{3000}));
    }
    REQUIRE(sched_setaffinity(0, sizeof usual, &usual) == 0);
}

TEST_CASE("E18: a thread waits for what another thread has started, with one worker, and waits lie inside each other") {
    aya::runtime rt(test::kind{1}.options());
    aya::task_handle<int> started;
    test::thread_crew crew;
    crew.add([&] {
        started = rt.spawn([]() -> aya::task<int> {
            co_return co_await aya::with_task_group([](aya::task_group& g) -> aya::task<int> {
                auto const child = g.create_task(one());
                int const theirs = co_await child;
                co_return theirs + 1;
            });
        });
    });
    crew.join();
    rt.wait(started);
    CHECK(started.result() == 2);
    // A call in a thread waits for a task of the runtime whose task waits for the call.
    auto outer = [](aya::runtime* r) -> aya::task<int> {
        auto call = aya::to_thread([r] { return r->block_on(one()); });
        co_return co_await std::move(call);
    };
    CHECK(rt.block_on(outer, &rt) == 1);
}

TEST_CASE("E19, E40: all workers are blocked by a std::mutex for a while; everything goes on afterwards") {
    std::mutex held;
    std::atomic<int> inside{0};
    held.lock();
    aya::runtime rt(test::kind{2}.options());
    std::vector<aya::task_handle<int>> all;
    for (int i = 0; i < 4; ++i)
        all.push_back(rt.spawn([](std::mutex* m, std::atomic<int>* n) -> aya::task<int> {
            n->fetch_add(1);
            std::lock_guard const guard(*m);
            co_return 1;
        }(&held, &inside)));
    for (int i = 0; i < 50; ++i)
        all.push_back(rt.spawn(one()));
    CHECK(test::eventually_outside([&] { return inside == 2; }));
    held.unlock();
    int sum = 0;
    for (auto const& h : all) {
        rt.wait(h);
        sum += h.result();
    }
    CHECK(sum == 54);
}

TEST_CASE("E25: tasks that yield for ever on every worker starve neither posts, nor timers, nor callbacks") {
    test::on_every_runtime([](aya::runtime& rt) {
        auto const over = std::make_shared<std::atomic<bool>>(false);
        auto const turns = std::make_shared<std::atomic<long>>(0);
        std::vector<aya::task_handle<void>> endless;
        for (std::size_t i = 0; i < 2 * rt.worker_count(); ++i)
            endless.push_back(rt.spawn([](std::shared_ptr<std::atomic<bool>> stop, std::shared_ptr<std::atomic<long>> count) -> aya::task<> {
                while (!*stop) {
                    count->fetch_add(1);
                    co_await aya::yield();
                }
            }(over, turns)));
        std::atomic<bool> called{false};
        for (int i = 0; i < 20; ++i)
            CHECK(rt.block_on(one()) == 1); // from outside
        rt.block_on([]() -> aya::task<> { co_await aya::sleep(1ms); });
        rt.block_on([](std::atomic<bool>* flag) -> aya::task<> {
            (void)aya::call_soon([flag] { *flag = true; });
            while (!*flag)
                co_await aya::yield();
        }, &called);
        CHECK(turns->load() > 0);
        *over = true;
        for (auto const& h : endless)
            rt.wait(h);
    });
}

#if !AYA_SANITIZED
TEST_CASE("E26: a runtime that is destroyed inside its own task ends the program, with a message") {
    auto const [text, signal] = test::in_a_child([] {
        auto rt = std::make_unique<aya::runtime>(test::kind{0}.options());
        rt->block_on([](std::unique_ptr<aya::runtime>* own) -> aya::task<> {
            own->reset();
            co_return;
        }, &rt);
    });
    CHECK(signal == SIGABRT);
    CHECK(text.find("destroyed inside one of its own tasks") != std::string::npos);
}

TEST_CASE("E38: a primitive or a queue that is destroyed while tasks wait on it ends the program, with a message") {
    auto const destroyed = [](void (*f)()) {
        auto const [text, signal] = test::in_a_child(f);
        CHECK(signal == SIGABRT);
        CHECK(text.find("was destroyed while tasks wait on it") != std::string::npos);
    };
    destroyed([] {
        aya::runtime rt(test::kind{0}.options());
        rt.block_on([]() -> aya::task<> {
            auto e = std::make_unique<aya::event>();
            auto const h = aya::create_task([](aya::event* on) -> aya::task<> { co_await on->wait(); }, e.get());
            co_await aya::yield();
            e.reset();
        });
    });
    destroyed([] {
        aya::runtime rt(test::kind{0}.options());
        rt.block_on([]() -> aya::task<> {
            auto q = std::make_unique<aya::queue<int>>();
            auto const h = aya::create_task([](aya::queue<int>* from) -> aya::task<int> { co_return co_await from->get(); }, q.get());
            co_await aya::yield();
            q.reset();
        });
    });
}
#endif

TEST_CASE("E30: a storm of signals that interrupt system calls loses no wake-up and shortens no sleep") {
    struct sigaction storm {};
    struct sigaction before {};
    storm.sa_handler = [](int) {};
    sigemptyset(&storm.sa_mask);
    ::sigaction(SIGALRM, &storm, &before); // no SA_RESTART
    itimerval const often{{0, 500}, {0, 500}};
    itimerval const never{};
    ::setitimer(ITIMER_REAL, &often, nullptr);
    test::on_every_runtime([](aya::runtime& rt) {
        auto const early = rt.block_on([]() -> aya::task<int> {
            int shorter = 0;
            for (int i = 0; i < 20; ++i) {
                auto const begin = std::chrono::steady_clock::now();
                co_await aya::sleep(2ms);
                shorter += std::chrono::steady_clock::now() - begin < 2ms ? 1 : 0;
                co_await aya::to_thread([] {});
            }
            co_return shorter;
        });
        CHECK(early == 0);
        CHECK(rt.block_on(exactly_once, std::size_t{500}));
    });
    ::setitimer(ITIMER_REAL, &never, nullptr);
    ::sigaction(SIGALRM, &before, nullptr);
}

TEST_CASE("E31: deadlines at both ends of time") {
    test::everywhere([]() -> aya::task<> {
        co_await aya::sleep_until(aya::time_point::min());
        co_await aya::sleep(-1h);
        co_await aya::sleep(aya::duration::min());
        for (auto const d : {aya::duration::max(), aya::duration::max() - aya::duration(1)}) {
            auto const sleeper = aya::create_task([](aya::duration for_so_long) -> aya::task<> { co_await aya::sleep(for_so_long); }, d);
            co_await test::settle();
            CHECK_FALSE(sleeper.done());
            sleeper.cancel();
            bool const cancelled = co_await test::throws<aya::cancelled_error>(sleeper);
            CHECK(cancelled);
        }
        int const in_time = co_await aya::timeout(aya::duration::max(), one);
        CHECK(in_time == 1);
        auto const never = aya::call_at(aya::time_point::max(), [] {});
        CHECK(never.cancel());
        bool late = false;
        try {
            co_await aya::timeout_at(aya::time_point::min(), test::forever);
        } catch (aya::timeout_error const&) {
            late = true;
        }
        CHECK(late);
        CHECK_THROWS_AS((void)aya::sleep(std::chrono::duration<double>(std::numeric_limits<double>::quiet_NaN())), std::invalid_argument);
    });
}

TEST_CASE("E41: runtimes are made and destroyed a thousand times, with work in each") {
    for (int i = 0; i < (AYA_SANITIZED ? 100 : 1000); ++i) {
        aya::runtime rt(test::kind{static_cast<std::size_t>(i % 3)}.options());
        CHECK(rt.block_on(one()) == 1);
    }
}
