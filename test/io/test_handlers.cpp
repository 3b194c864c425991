// SPDX-License-Identifier: Apache-2.0
// What somebody else's handlers do to the workers that call them.
#include <aya/io/context.hpp>
#include <aya/future.hpp>
#include <aya/gather.hpp>
#include <aya/sleep.hpp>
#include <aya/sync/event.hpp>

#include "io/raw_sockets.hpp"
#include "io/streams.hpp"
#include "support/harness.hpp"
#include "support/rest.hpp"

#include <boost/asio/post.hpp>
#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <sys/socket.h>

TEST_CASE("I/O: an exception of a handler is reported, and the worker goes on, whether it waits in the driver or looks there in passing") {
    test::report_log log;
    aya::runtime_options options;
    options.exception_handler = log.handler();
    test::on_every_runtime(
        [&](aya::runtime& rt) {
            auto body = [](bool idle) -> aya::task<> {
                aya::event over;
                boost::asio::post(aya::io::context(), [] { throw std::runtime_error("mine"); });
                boost::asio::post(aya::io::context(), [&] { over.set(); });
                if (idle)
                    co_await over.wait();
                else
                    CHECK(co_await test::eventually([&] { return over.is_set(); }));
            };
            std::size_t const before = log.count();
            rt.block_on(body, true);
            rt.block_on(body, false);
            std::vector<std::string> const messages = log.messages();
            REQUIRE(messages.size() == before + 2);
            CHECK(messages.back() == "Exception in a handler of an I/O operation");
        },
        options);
}

TEST_CASE("I/O: a handler that ends what a gather waits for, called by a worker that is about to sleep") {
    test::on_every_runtime([](aya::runtime& rt) {
        auto body = []() -> aya::task<> {
            auto gather = [](aya::future<int> number) -> aya::task<> { (void)co_await aya::gather(std::move(number)); };
            for (int round = 0; round < 20; ++round) {
                aya::promise<int> number;
                auto const parent = aya::create_task(gather, number.get_future());
                co_await aya::yield(); // it waits
                boost::asio::post(aya::io::context(), [&] { number.set_value(1); });
                co_await parent;
            }
        };
        rt.block_on(body);
    });
}

TEST_CASE("P2: of what a handler makes ready in the driver, nothing waits for a long step beside workers that slept") {
    aya::runtime rt(test::kind{3}.options());
    for (int round = 0; round < 20; ++round) {
        aya::promise<int> numbers[] = {aya::promise<int>(rt), aya::promise<int>(rt)};
        std::atomic<int> waiting{0}, running{0}, met{0};
        auto parent = [&](aya::future<int> number) -> aya::task<> {
            waiting.fetch_add(1);
            (void)co_await aya::gather(std::move(number));
            running.fetch_add(1);
            // A step that ends when the other parent runs too.
            met.fetch_add(test::eventually_outside([&] { return running.load() == 2; }));
        };
        aya::task_handle<> const parents[] = {rt.spawn(parent, numbers[0].get_future()), rt.spawn(parent, numbers[1].get_future())};
        // All have fallen asleep, one of them in the driver.
        CHECK(test::eventually_outside([&] { return waiting.load() == 2; }));
        CHECK(test::all_sleep(rt));
        boost::asio::post(aya::io::context(rt), [&] {
            numbers[0].set_value(1);
            numbers[1].set_value(2);
        });
        for (auto const& p : parents)
            rt.wait(p);
        REQUIRE(met.load() == 2);
    }
}

TEST_CASE("P2: a handler is called by a worker that slept, whatever long step another one has begun") {
    test::random_source random(32);
    for (std::size_t const workers : {std::size_t{2}, std::size_t{3}}) {
        aya::runtime rt(test::kind{workers}.options());
        for (int round = 0; round < 100; ++round) {
            CAPTURE(workers);
            std::atomic<bool> over{false};
            auto sleeper = []() -> aya::task<> { co_await aya::sleep(std::chrono::microseconds(100)); };
            auto long_step = [&]() -> aya::task<bool> {
                boost::asio::post(aya::io::context(), [&] { over.store(true); });
                co_return test::eventually_outside([&] { return over.load(); });
            };
            CHECK(test::all_sleep(rt));
            auto const sleeping = rt.spawn(sleeper); // who waited in the driver may be called away for it
            test::spin(random.below(40'000));
            REQUIRE(rt.block_on(long_step));
            rt.wait(sleeping);
        }
    }
}

TEST_CASE("I/O: two workers with one busy connection do not wake each other for every message") {
    aya::runtime_options options = test::kind{2}.options();
    options.histograms = true;
    aya::runtime rt(options);
    auto server = rt.block_on(test::echo_server());
    test::raw_socket client = test::raw_client(server.port());
    auto const parks = [&] {
        auto const m = rt.metrics();
        return m.workers[0].parks + m.workers[1].parks;
    };
    std::uint64_t const before = parks();
    auto const begin = std::chrono::steady_clock::now();
    std::uint64_t const messages = 2000;
    for (std::uint64_t i = 0; i < messages; ++i) {
        char c = 'x';
        REQUIRE(::send(client.descriptor, &c, 1, MSG_NOSIGNAL) == 1);
        REQUIRE(::recv(client.descriptor, &c, 1, 0) == 1);
    }
    std::uint64_t const parked = parks() - before;
    // One for each message, and some for steps that have lost their CPU: those are watched, and count as long. Where most are, as with a sanitizer, somebody is woken to
    // look at the sockets meanwhile.
    auto const periods = static_cast<std::uint64_t>((std::chrono::steady_clock::now() - begin) / std::chrono::microseconds(500));
    aya::runtime_metrics const m = rt.metrics();
    double const step = m.step_time->sum / static_cast<double>(m.step_time->count);
    if (step < 25e-6)
        CHECK(parked < messages + messages / 2 + periods);
    else
        MESSAGE("steps take " << step << " s here: who waits for sockets meanwhile is woken");
    auto close = [](aya::io::server s) -> aya::task<> {
        s.close();
        co_await s.wait_closed();
    };
    client.close();
    rt.block_on(close, std::move(server));
}
