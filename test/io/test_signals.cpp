// SPDX-License-Identifier: Apache-2.0
// The contract's sentences on signals.
#include <aya/io/signals.hpp>

#include "support/harness.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <csignal>

using namespace std::chrono_literals;
namespace io = aya::io;

namespace {

bool has_default(int number) {
    struct sigaction now {};
    ::sigaction(number, nullptr, &now);
    return now.sa_handler == SIG_DFL;
}

} // namespace

TEST_CASE("SG1: the callback runs later, as a callback; a second one replaces it") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        std::atomic<int> first{0};
        std::atomic<int> second{0};
        std::atomic<bool> in_task{false};
        io::add_signal_handler(SIGUSR1, [&] {
            in_task = static_cast<bool>(aya::detail::this_thread() != nullptr && aya::detail::this_thread()->current);
            ++first;
        });
        ::raise(SIGUSR1);
        CHECK(co_await test::eventually([&] { return first.load() == 1; }));
        CHECK(!in_task.load());
        io::add_signal_handler(SIGUSR1, [&] { ++second; });
        ::kill(::getpid(), SIGUSR1);
        CHECK(co_await test::eventually([&] { return second.load() == 1; }));
        CHECK(first == 1);
        CHECK(io::remove_signal_handler(SIGUSR1));
    });
}

TEST_CASE("SG2: what cannot be handled, and what is no signal") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        auto nothing = [] {};
        CHECK_THROWS_AS(io::add_signal_handler(SIGKILL, nothing), aya::invalid_state_error);
        CHECK_THROWS_AS(io::add_signal_handler(SIGSTOP, nothing), aya::invalid_state_error);
        CHECK_THROWS_AS(io::add_signal_handler(0, nothing), std::invalid_argument);
        CHECK_THROWS_AS(io::add_signal_handler(1000, nothing), std::invalid_argument);
        co_return;
    });
    CHECK_THROWS_AS(io::add_signal_handler(SIGUSR1, [] {}), aya::invalid_state_error); // outside a task
}

TEST_CASE("SG3: remove says whether there was one, and restores the default") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        CHECK(!io::remove_signal_handler(SIGUSR2));
        io::add_signal_handler(SIGUSR2, [] {});
        CHECK(!has_default(SIGUSR2));
        CHECK(io::remove_signal_handler(SIGUSR2));
        CHECK(has_default(SIGUSR2));
        CHECK(!io::remove_signal_handler(SIGUSR2));
        co_return;
    });
}

TEST_CASE("signals: a callback that is on its way when its handler is removed does not run") {
    auto body = []() -> aya::task<> {
        auto const removed = std::make_shared<std::atomic<bool>>(false);
        std::atomic<int> late{0};
        for (unsigned round = 0; round < 400; ++round) {
            removed->store(false);
            io::add_signal_handler(SIGUSR2, [removed, &late] { late += removed->load(); });
            ::raise(SIGUSR2);
            for (unsigned i = 0; i < round % 8; ++i)
                co_await aya::yield();
            CHECK(io::remove_signal_handler(SIGUSR2));
            removed->store(true);
            for (unsigned i = 0; i < 8; ++i)
                co_await aya::yield();
        }
        CHECK(late == 0);
    };
    // With several workers, another one may be calling it.
    test::on_ordered_runtimes([&](aya::runtime& rt) { rt.block_on(body); });
}

TEST_CASE("signals: removing a handler restores what the process did before") {
    struct sigaction mine {};
    mine.sa_handler = [](int) {};
    struct sigaction before {};
    ::sigaction(SIGUSR2, &mine, &before);
    test::everywhere_in_real_time([]() -> aya::task<> {
        for (int i = 0; i < 2; ++i) {
            io::add_signal_handler(SIGUSR2, [] {});
            CHECK(io::remove_signal_handler(SIGUSR2));
            CHECK(!has_default(SIGUSR2));
            ::raise(SIGUSR2); // would be the end
        }
        CHECK_THROWS_AS(io::add_signal_handler(32, [] {}), std::invalid_argument); // the C library's
        co_return;
    });
    ::sigaction(SIGUSR2, &before, nullptr);
}

TEST_CASE("signals: a runtime's end removes its handlers") {
    test::on_every_runtime([](aya::runtime& rt) {
        auto work = []() -> aya::task<> {
            io::add_signal_handler(SIGUSR2, [] {});
            co_return;
        };
        rt.block_on(work());
    });
    CHECK(has_default(SIGUSR2));
}

TEST_CASE("signals: two runtimes may have a handler for one signal; the last one that goes restores the default") {
    aya::runtime a({.workers = 1}), b({.workers = 1});
    static std::atomic<int> calls;
    calls = 0;
    auto add = []() -> aya::task<> {
        io::add_signal_handler(SIGUSR2, [] { calls.fetch_add(1); });
        co_return;
    };
    auto remove = []() -> aya::task<bool> { co_return io::remove_signal_handler(SIGUSR2); };
    a.block_on(add);
    b.block_on(add);
    ::raise(SIGUSR2);
    CHECK(test::eventually_outside([] { return calls.load() == 2; }));
    CHECK(a.block_on(remove));
    CHECK(!has_default(SIGUSR2));
    ::raise(SIGUSR2);
    CHECK(test::eventually_outside([] { return calls.load() == 3; }));
    CHECK(b.block_on(remove));
    CHECK(has_default(SIGUSR2));
}
