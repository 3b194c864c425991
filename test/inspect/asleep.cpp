// SPDX-License-Identifier: Apache-2.0
// When debug mode says that all tasks are asleep: each word is a program that is stuck, or one that only looks so. Prints "asleep" at the report, and
// "goes on" at the end.
#include <aya/aya.hpp>
#include <aya/std_future.hpp>
#include <aya/testing.hpp>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <exception>
#include <optional>
#include <string_view>
#include <thread>

using namespace std::chrono_literals;

namespace {

std::atomic<bool> reported{false};
std::atomic<aya::promise<int>*> missing{nullptr};

aya::runtime_options watched(aya::runtime_options options) {
    options.debug = true;
    options.slow_callback_duration = 2ms; // the watchdog looks each millisecond
    options.exception_handler = [](aya::exception_report const& r) {
        if (!r.message.starts_with("All tasks are asleep") || reported.exchange(true))
            return;
        std::puts("asleep");
        if (auto* const p = missing.load()) // another thread, after all
            std::thread([p] { p->set_value(1); }).join();
    };
    return options;
}

// As long as a hundred looks, or until there is a report that there must not be.
void busy() {
    auto const end = std::chrono::steady_clock::now() + 100ms;
    while (!reported.load() && std::chrono::steady_clock::now() < end)
        std::this_thread::yield();
}

// --- stuck --------------------------------------------------------------------------------------------------------------

aya::task<> wait_for_promise() {
    aya::promise<int> p;
    missing.store(&p);
    co_await p.get_future();
}

aya::task<> wait_after_pools() {
    co_await aya::gather(aya::to_thread([] {}), aya::to_thread([] {}), aya::to_cpu([] {}), aya::to_cpu([] {}));
    co_await wait_for_promise();
}

aya::task<> wait_for_it(std::optional<aya::task_handle<>>* other) {
    while (!*other)
        co_await aya::yield();
    co_await **other;
}

aya::task<> circle() {
    std::optional<aya::task_handle<>> a, b;
    a = aya::create_task(wait_for_it(&b));
    b = aya::create_task(wait_for_it(&a));
    co_await *a;
}

// --- not stuck ----------------------------------------------------------------------------------------------------------

// A call that nobody waits for any more keeps the promise.
template <class Call>
aya::task<> abandon(Call call) {
    aya::promise<int> p;
    std::atomic<bool> runs{false};
    auto f = p.get_future();
    auto const caller = aya::create_task(call([&p, &runs] {
        runs.store(true);
        busy();
        p.set_value(1);
    }));
    while (!runs.load())
        co_await aya::yield();
    caller.cancel();
    co_await f;
}

aya::task<> lock(aya::mutex* m) { auto const held = co_await m->lock(); }

} // namespace

int main(int argc, char** argv) {
    std::string_view const word = argc > 1 ? argv[1] : "";
    aya::runtime_options const options = watched({.workers = 2});
    aya::runtime_options const loop = watched({.scheduler = aya::scheduler_kind::event_loop});
    if (word == "pools" || word == "loop") { // their idle threads, and another runtime's watchdog
        aya::runtime const other(loop);
        aya::runtime(word == "loop" ? loop : options).block_on(wait_after_pools);
    } else if (word == "run") { // and the thread that waits for Ctrl-C
        aya::run(wait_for_promise(), options);
    } else if (word == "circle") { // the host waits for a std::future, but nothing that it does could help
        aya::runtime rt(options);
        auto const ended = aya::submit(rt, circle);
        while (!reported.load())
            std::this_thread::yield();
    } else if (word == "testing") {
        try {
            aya::testing::run({.workers = 1, .virtual_time = false, .time_limit = 5s, .debug = true}, []() -> aya::task<> {
                aya::event never;
                co_await never.wait();
            });
        } catch (aya::testing::test_failure const&) {
            // Its time was over.
        }
    } else if (word == "blocking_job") {
        aya::runtime(options).block_on(abandon([](auto f) -> aya::task<> { co_await aya::to_thread(f); }));
    } else if (word == "cpu_job") {
        aya::runtime(options).block_on(abandon([](auto f) -> aya::task<> { co_await aya::to_cpu(f); }));
    } else if (word == "host") { // it holds the lock, and does something else
        aya::mutex m;
        if (!m.try_lock())
            return 1;
        aya::runtime rt(options);
        auto const waiting = rt.spawn(lock, &m);
        busy();
        m.unlock();
        rt.wait(waiting);
    } else if (word == "holder") { // another thread does, while the host waits for the task
        aya::mutex m;
        std::atomic<bool> begin{false};
        std::thread other([&] {
            (void)m.try_lock();
            while (!begin.load())
                std::this_thread::yield();
            busy();
            m.unlock();
        });
        while (!m.locked())
            std::this_thread::yield();
        begin.store(true);
        aya::runtime(options).block_on(lock, &m);
        other.join();
    } else {
        return 2;
    }
    std::puts("goes on");
    return 0;
}
