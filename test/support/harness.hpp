// SPDX-License-Identifier: Apache-2.0
// What the tests share: one body on every kind of runtime, a counter of live objects, bounded waiting, and seeded random numbers.
//
// Most tests run under virtual time. There, settle() returns when every other task waits for something, whatever the number of
// workers: a test needs no sleeping and no guess to know that "everything that could happen has happened".
#pragma once

#include <aya/errors.hpp>
#include <aya/runtime.hpp>
#include <aya/sleep.hpp>
#include <aya/sync/event.hpp>
#include <aya/task.hpp>
#include <aya/task_handle.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <source_location>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace test {

using namespace std::chrono_literals;

/// A kind of runtime: 0 workers stand for the event loop.
struct kind {
    std::size_t workers;
    [[nodiscard]] std::string name() const;
    [[nodiscard]] aya::runtime_options options(aya::runtime_options base = {}) const;
};

/// The numbers of workers of every kind that tests run on.
inline constexpr std::size_t every_kind[] = {0, 1, 2, 8};

/// Each body runs in a doctest subcase that bears the runtime's name; the place of the call keeps several in one test apart.
using place = std::source_location;
using runtime_body = std::function<void(aya::runtime&)>;
using task_body = aya::task<> (*)();

/// On the event loop and on pools of 1, 2 and 8 workers, with the options given.
void on_every_runtime(runtime_body const& body, aya::runtime_options const& base = {}, place where = place::current());
/// On the event loop and on one worker: where asyncio's order of steps holds.
void on_ordered_runtimes(runtime_body const& body, aya::runtime_options const& base = {}, place where = place::current());

/// The same for a coroutine without captures, under virtual time.
void everywhere(task_body body, place where = place::current());
void in_order(task_body body, place where = place::current());
void on_event_loop(task_body body, place where = place::current());
/// In real time.
void everywhere_in_real_time(task_body body, place where = place::current());

/// Under virtual time: goes on when nothing else can.
inline auto settle() { return aya::sleep(1us); }

/// Waits until it is cancelled.
aya::task<> forever();

/// True if awaiting the task or handle throws an E.
template <class E, class T>
aya::task<bool> throws(T awaited) {
    try {
        (void)co_await std::move(awaited);
    } catch (E const&) {
        co_return true;
    }
    co_return false;
}

/// False if `condition` does not come true within a minute. For real time.
template <class Condition>
aya::task<bool> eventually(Condition condition) {
    auto const deadline = std::chrono::steady_clock::now() + 60s;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > deadline)
            co_return false;
        co_await aya::yield();
    }
    co_return true;
}

/// The same for a thread outside every runtime.
template <class Condition>
bool eventually_outside(Condition condition, std::chrono::nanoseconds limit = 60s) {
    auto const deadline = std::chrono::steady_clock::now() + limit;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > deadline)
            return false;
        std::this_thread::yield();
    }
    return true;
}

/// What `f` says when it throws an E; empty when it does not throw.
template <class E = aya::invalid_state_error, class F>
std::string refusal(F f) {
    try {
        f();
    } catch (E const& e) {
        return e.what();
    }
    return {};
}

/// Counts the live objects that were made from it.
class census {
public:
    class resident {
    public:
        explicit resident(census& c) noexcept : census_(&c) { census_->arrive(); }
        resident(resident const& other) noexcept : census_(other.census_) { census_->arrive(); }
        resident(resident&& other) noexcept : census_(other.census_) { census_->arrive(); }
        resident& operator=(resident const&) = default;
        resident& operator=(resident&&) = default;
        ~resident() { census_->live_.fetch_sub(1); }

    private:
        census* census_;
    };

    [[nodiscard]] resident make() noexcept { return resident(*this); }
    [[nodiscard]] long live() const noexcept { return live_.load(); }
    [[nodiscard]] long ever() const noexcept { return ever_.load(); }

private:
    void arrive() noexcept {
        live_.fetch_add(1);
        ever_.fetch_add(1);
    }
    std::atomic<long> live_{0};
    std::atomic<long> ever_{0};
};

/// The reports of a runtime, as text. Thread safe.
class report_log {
public:
    [[nodiscard]] std::function<void(aya::exception_report const&)> handler();
    [[nodiscard]] std::vector<std::string> messages() const;
    [[nodiscard]] std::size_t count() const { return messages().size(); }

private:
    struct contents;
    std::shared_ptr<contents> contents_;

public:
    report_log();
};

/// Seeded by AYA_SEED, or anew; the seed is printed when it is chosen, once for each process.
[[nodiscard]] std::uint64_t seed();

/// A generator of its own for each user: `stream` tells them apart.
class random_source {
public:
    explicit random_source(std::uint64_t stream) : engine_(seed() * 0x9e3779b97f4a7c15ULL + stream) {}
    /// 0 to limit - 1.
    std::size_t below(std::size_t limit) { return static_cast<std::size_t>(engine_() % limit); }
    bool one_in(std::size_t n) { return below(n) == 0; }

private:
    std::mt19937_64 engine_;
};

/// How long a stress test goes on: AYA_STRESS_SECONDS, or one second.
class stress_clock {
public:
    stress_clock();
    [[nodiscard]] bool running() const { return std::chrono::steady_clock::now() < end_; }

private:
    std::chrono::steady_clock::time_point end_;
};

/// Threads that are joined at the end of the scope.
class thread_crew {
public:
    template <class F>
    void add(F f) {
        threads_.emplace_back(std::move(f));
    }
    void join();
    ~thread_crew() { join(); }

private:
    std::vector<std::thread> threads_;
};

} // namespace test
