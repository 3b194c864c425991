// SPDX-License-Identifier: Apache-2.0
// Cancellation of I/O operations, at every moment.
#include <aya/gather.hpp>
#include <aya/io/await.hpp>
#include <aya/timeout.hpp>

#include "support/harness.hpp"

#include <doctest/doctest.h>

#include <boost/asio.hpp>

#include <array>
#include <atomic>
#include <string>

namespace asio = boost::asio;
using asio::ip::tcp;
using asio::local::stream_protocol;
using namespace std::chrono_literals;

namespace {

struct pair {
    pair() : left(aya::io::context()), right(aya::io::context()) { asio::local::connect_pair(left, right); }
    stream_protocol::socket left;
    stream_protocol::socket right;
};

aya::task<std::size_t> receive(stream_protocol::socket& s) {
    std::array<char, 16> bytes{};
    co_return co_await s.async_read_some(asio::buffer(bytes), aya::io::await);
}

} // namespace

TEST_CASE("await: cancelling the task aborts the operation, and the object can be used again") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        pair p;
        auto reader = aya::create_task(receive(p.left));
        co_await aya::sleep(1ms);
        CHECK(reader.cancel("enough"));
        std::string message;
        try {
            (void)co_await reader;
        } catch (aya::cancelled_error const& e) {
            message = e.message();
        }
        CHECK(message == "enough");
        CHECK(reader.cancelled());
        co_await asio::async_write(p.right, asio::buffer("hi", 2), aya::io::await);
        CHECK(co_await receive(p.left) == 2);
    });
}

TEST_CASE("await: a cancellation that was pending before starts nothing") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        std::atomic<int> started{0};
        auto work = [](std::atomic<int>& count) -> aya::task<> {
            aya::current_task().cancel();
            auto initiate = [&count](auto handler) {
                ++count;
                std::move(handler)();
            };
            co_await asio::async_initiate<aya::io::await_t const&, void()>(initiate, aya::io::await);
        };
        auto t = aya::create_task(work(started));
        CHECK(co_await test::throws<aya::cancelled_error>(t));
        CHECK(started == 0);
    });
}

TEST_CASE("await: an operation that knows no cancellation is waited for, and its result comes before the cancellation") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        std::string log;
        aya::event asked;
        auto work = [](std::string& l, aya::event& begun) -> aya::task<> {
            auto slow = [&begun](auto handler) {
                auto timer = std::make_shared<asio::steady_timer>(aya::io::context(), 10ms);
                timer->async_wait([timer, h = std::move(handler)](boost::system::error_code) mutable { std::move(h)(5); });
                begun.set();
            };
            int const n = co_await asio::async_initiate<aya::io::await_t const&, void(int)>(slow, aya::io::await);
            l += std::to_string(n);
            try {
                co_await test::forever();
            } catch (aya::cancelled_error const&) {
                l += " cancelled";
                throw;
            }
        };
        auto t = aya::create_task(work(log, asked));
        co_await asked.wait();
        t.cancel();
        CHECK(co_await test::throws<aya::cancelled_error>(t));
        CHECK(log == "5 cancelled");
    });
}

TEST_CASE("await: a timeout ends the operation and is reported as one") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        pair p;
        CHECK(co_await test::throws<aya::timeout_error>(aya::timeout(2ms, receive, std::ref(p.left))));
        CHECK(aya::current_task().cancelling() == 0);
        co_await asio::async_write(p.right, asio::buffer("abc", 3), aya::io::await);
        CHECK(co_await aya::timeout(60s, receive, std::ref(p.left)) == 3);
    });
}

TEST_CASE("await: composed operations, cancelled at any moment, lose no task and no byte that was reported") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        pair p;
        // The writer sends without end; the reader is cancelled over and over, and what it got is a prefix of what was sent.
        auto write = [](stream_protocol::socket& s) -> aya::task<> {
            std::string const block(1000, 'x');
            for (;;)
                co_await asio::async_write(s, asio::buffer(block), aya::io::await);
        };
        auto writer = aya::create_task(write(p.right));
        auto read_much = [](stream_protocol::socket& s, std::size_t& total) -> aya::task<> {
            std::array<char, 4096> bytes{};
            for (;;)
                total += co_await asio::async_read(s, asio::buffer(bytes), aya::io::await);
        };
        int cancelled = 0;
        for (int i = 0; i < 300; ++i) {
            std::size_t total = 0;
            auto reader = aya::create_task(read_much(p.left, total));
            if (i % 3 == 0)
                co_await aya::yield();
            else if (i % 3 == 1)
                co_await aya::sleep(std::chrono::microseconds(i % 50));
            reader.cancel();
            cancelled += co_await test::throws<aya::cancelled_error>(reader);
        }
        CHECK(cancelled == 300);
        writer.cancel();
        CHECK(co_await test::throws<aya::cancelled_error>(writer));
    });
}

TEST_CASE("await: cancelled from outside while the operation ends") {
    test::on_every_runtime([](aya::runtime& rt) {
        auto reader = [](stream_protocol::socket& s, std::atomic<std::size_t>& got) -> aya::task<> {
            std::array<char, 16> bytes{};
            got += co_await s.async_read_some(asio::buffer(bytes), aya::io::await);
            co_await aya::yield();
        };
        auto make = []() -> aya::task<std::unique_ptr<pair>> { co_return std::make_unique<pair>(); };
        auto p = rt.block_on(make());
        std::size_t sent = 0;
        std::size_t lost = 0;
        std::atomic<std::size_t> got{0};
        bool const loop = rt.worker_count() == 1;
        for (int i = 0; i < 200; ++i) {
            auto t = rt.spawn(reader(p->left, got));
            if (!loop && i % 2 == 0)
                std::this_thread::yield();
            sent += p->right.send(asio::buffer("x", 1));
            t.cancel();
            rt.wait(t);
            lost += t.cancelled() ? 0 : 1; // whatever the winner was, the task is over
        }
        // What cancelled reads left is there still.
        boost::system::error_code none;
        p->left.non_blocking(true);
        std::array<char, 1024> rest{};
        std::size_t const left = p->left.receive(asio::buffer(rest), 0, none);
        CHECK(got + left == sent);
        CHECK(lost <= 200);
    });
}

TEST_CASE("await: foreign timers cancelled at every moment") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        asio::thread_pool foreign(2);
        auto wait = [](asio::thread_pool& on, int us) -> aya::task<> {
            asio::steady_timer t(on, std::chrono::microseconds(us));
            co_await t.async_wait(aya::io::await);
        };
        for (int i = 0; i < 300; ++i) {
            auto t = aya::create_task(wait(foreign, i % 40));
            co_await aya::sleep(std::chrono::microseconds(i % 30));
            t.cancel();
            try {
                co_await t;
            } catch (aya::cancelled_error const&) {
            }
        }
        foreign.join();
    });
}
