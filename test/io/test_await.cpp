// SPDX-License-Identifier: Apache-2.0
// The completion token: results, errors, foreign executors, and the clock.
#include <aya/gather.hpp>
#include <aya/io/await.hpp>
#include <aya/timeout.hpp>

#include "support/harness.hpp"

#include <doctest/doctest.h>

#include <boost/asio.hpp>

#include <array>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <poll.h>

namespace asio = boost::asio;
using asio::ip::tcp;
using namespace std::chrono_literals;

namespace {

tcp::acceptor listen() { return {aya::io::context(), tcp::endpoint(asio::ip::address_v4::loopback(), 0)}; }

aya::task<> echo_until_closed(tcp::socket s) {
    std::array<char, 256> bytes{};
    for (;;) {
        auto [failed, n] = co_await s.async_read_some(asio::buffer(bytes), asio::as_tuple(aya::io::await));
        if (failed)
            co_return;
        co_await asio::async_write(s, asio::buffer(bytes, n), aya::io::await);
    }
}

aya::task<std::string> ask(tcp::socket& s, std::string question) {
    co_await asio::async_write(s, asio::buffer(question), aya::io::await);
    std::string answer(question.size(), ' ');
    co_await asio::async_read(s, asio::buffer(answer), aya::io::await);
    co_return answer;
}

} // namespace

TEST_CASE("await: bytes go there and back, one connection after another and many at once") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        tcp::acceptor acceptor = listen();
        auto serve = [](tcp::acceptor& a) -> aya::task<> {
            for (int i = 0; i < 21; ++i)
                aya::create_task(echo_until_closed(co_await a.async_accept(aya::io::await)));
        };
        auto server = aya::create_task(serve(acceptor));
        auto client = [](tcp::endpoint to, int id) -> aya::task<> {
            tcp::socket s(aya::io::context());
            co_await s.async_connect(to, aya::io::await);
            for (int i = 0; i < 50; ++i) {
                std::string const question = std::to_string(id) + ":" + std::to_string(i);
                CHECK(co_await ask(s, question) == question);
            }
        };
        co_await client(acceptor.local_endpoint(), 0);
        std::vector<aya::task<>> all;
        for (int i = 1; i <= 20; ++i)
            all.push_back(client(acceptor.local_endpoint(), i));
        co_await aya::gather(std::move(all));
        co_await server;
    });
}

TEST_CASE("await: an error_code is thrown as a system_error, or comes as a value") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        tcp::acceptor acceptor = listen();
        tcp::endpoint const nobody = acceptor.local_endpoint();
        acceptor.close();
        tcp::socket s(aya::io::context());
        bool thrown = false;
        try {
            co_await s.async_connect(nobody, aya::io::await);
        } catch (boost::system::system_error const& e) {
            thrown = e.code() == asio::error::connection_refused;
        }
        CHECK(thrown);
        s.close();
        auto [failed] = co_await s.async_connect(nobody, asio::as_tuple(aya::io::await));
        CHECK(failed == asio::error::connection_refused);
        s.close();
        boost::system::error_code code;
        co_await s.async_connect(nobody, aya::io::await(code));
        CHECK(code == asio::error::connection_refused);
    });
}

TEST_CASE("await: the token may be the default of an object's executor") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        using timer = aya::io::await_t::as_default_on_t<asio::steady_timer>;
        timer t(aya::io::context(), 1ms);
        co_await t.async_wait();
        t.expires_after(1h);
        auto wait = [](timer& on) -> aya::task<> { co_await on.async_wait(); };
        CHECK(co_await test::throws<aya::timeout_error>(aya::wait_for(wait(t), 1ms)));
    });
}

TEST_CASE("await: other signatures give nothing, a tuple, or an exception") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        co_await asio::post(aya::io::context(), aya::io::await);
        auto two = [](auto&& token) {
            return asio::async_initiate<decltype(token), void(int, std::string)>(
                [](auto handler) { std::move(handler)(7, std::string("seven")); }, token);
        };
        auto [number, name] = co_await two(aya::io::await);
        CHECK(number == 7);
        CHECK(name == "seven");
        auto failing = [](auto&& token) {
            return asio::async_initiate<decltype(token), void(std::exception_ptr, int)>(
                [](auto handler) { std::move(handler)(std::make_exception_ptr(std::out_of_range("far")), 0); }, token);
        };
        bool thrown = false;
        try {
            (void)co_await failing(aya::io::await);
        } catch (std::out_of_range const&) {
            thrown = true;
        }
        CHECK(thrown);
        auto fine = [](auto&& token) {
            return asio::async_initiate<decltype(token), void(std::exception_ptr, int)>(
                [](auto handler) { std::move(handler)(std::exception_ptr(), 8); }, token);
        };
        CHECK(co_await fine(aya::io::await) == 8);
        auto aborted = [](auto&& token) {
            return asio::async_initiate<decltype(token), void(std::exception_ptr, int)>(
                [](auto handler) {
                    std::move(handler)(std::make_exception_ptr(boost::system::system_error(asio::error::operation_aborted)), 0);
                },
                token);
        };
        bool told = false;
        try {
            (void)co_await aborted(aya::io::await);
        } catch (boost::system::system_error const& e) { // no cancellation: nobody has asked for one
            told = e.code() == asio::error::operation_aborted;
        }
        CHECK(told);
    });
}

TEST_CASE("await: objects of executors that run one handler at a time: another context, and a strand") {
    test::on_every_runtime([](aya::runtime& rt) {
        asio::io_context other(1);
        auto const work = asio::make_work_guard(other);
        std::thread thread([&] { other.run(); });
        auto body = [](asio::io_context* of) -> aya::task<> {
            using timer_of_context = asio::steady_timer::rebind_executor<asio::io_context::executor_type>::other;
            timer_of_context a(of->get_executor(), 1ms);
            co_await a.async_wait(aya::io::await);
            CHECK(aya::detail::this_thread() != nullptr); // back on a worker
            a.expires_after(1h);
            auto wait = [](timer_of_context& t) -> aya::task<> { co_await t.async_wait(aya::io::await); };
            CHECK(co_await test::throws<aya::timeout_error>(aya::wait_for(wait(a), 1ms)));
            using strand = asio::strand<asio::io_context::executor_type>;
            using timer_of_strand = asio::steady_timer::rebind_executor<strand>::other;
            timer_of_strand b(strand(of->get_executor()), 1ms);
            co_await b.async_wait(aya::io::await);
            CHECK(aya::detail::this_thread() != nullptr);
            b.expires_after(1h);
            auto wait_too = [](timer_of_strand& t) -> aya::task<> { co_await t.async_wait(aya::io::await); };
            CHECK(co_await test::throws<aya::timeout_error>(aya::wait_for(wait_too(b), 1ms)));
        };
        rt.block_on(body, &other);
        other.stop();
        thread.join();
    });
}

TEST_CASE("await: an operation is awaited once; a runtime's context is that of its tasks") {
    test::on_every_runtime([](aya::runtime& rt) {
        asio::io_context* const from_outside = &aya::io::context(rt);
        auto body = [](asio::io_context* expected) -> aya::task<> {
            CHECK(&aya::io::context() == expected);
            asio::steady_timer t(aya::io::context(), 1ms);
            auto operation = t.async_wait(aya::io::await);
            auto await_it = [](decltype(operation)& o) -> aya::task<> { co_await o; };
            co_await await_it(operation);
            CHECK(co_await test::throws<aya::invalid_state_error>(await_it(operation)));
        };
        rt.block_on(body, from_outside);
    });
}

TEST_CASE("await: an operation whose handler is dropped, or that cannot be started, fails") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        auto drops = [](auto&& token) {
            return asio::async_initiate<decltype(token), void(boost::system::error_code)>([](auto handler) { (void)handler; }, token);
        };
        bool broken = false;
        try {
            co_await drops(aya::io::await);
        } catch (aya::broken_executor const&) {
            broken = true;
        }
        CHECK(broken);
        auto throws = [](auto&& token) {
            return asio::async_initiate<decltype(token), void(boost::system::error_code)>(
                [](auto handler) {
                    (void)handler;
                    throw std::runtime_error("not today");
                },
                token);
        };
        std::string what;
        try {
            co_await throws(aya::io::await);
        } catch (std::runtime_error const& e) {
            what = e.what();
        }
        CHECK(what == "not today");
    });
}

TEST_CASE("await: objects of a foreign executor with threads of its own") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        asio::thread_pool foreign(2);
        asio::steady_timer timer(foreign, 1ms);
        co_await timer.async_wait(aya::io::await);
        CHECK(aya::detail::this_thread() != nullptr); // back on a worker
        timer.expires_after(1h);
        auto wait = [](asio::steady_timer& t) -> aya::task<> { co_await t.async_wait(aya::io::await); };
        CHECK(co_await test::throws<aya::timeout_error>(aya::wait_for(wait(timer), 1ms)));
        foreign.join();
    });
}

TEST_CASE("await: operations are awaitables like others") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        asio::steady_timer a(aya::io::context(), 1ms);
        asio::steady_timer b(aya::io::context(), 2ms);
        co_await aya::gather(a.async_wait(aya::io::await), b.async_wait(aya::io::await));
        a.expires_after(1ms);
        co_await aya::create_task(a.async_wait(aya::io::await));
        a.expires_after(1h);
        CHECK(co_await test::throws<aya::timeout_error>(aya::wait_for(a.async_wait(aya::io::await), 1ms)));
    });
}

TEST_CASE("await: virtual time stands still while an operation is under way") {
    test::everywhere([]() -> aya::task<> {
        auto const begin = aya::now();
        auto const real_begin = std::chrono::steady_clock::now();
        asio::steady_timer real(aya::io::context(), 20ms);
        auto sleeper = aya::create_task([]() -> aya::task<> { co_await aya::sleep(1h); });
        co_await real.async_wait(aya::io::await);
        CHECK(std::chrono::steady_clock::now() - real_begin >= 20ms);
        CHECK(aya::now() == begin);
        CHECK(!sleeper.done());
        co_await sleeper;
        CHECK(aya::now() == begin + 1h);
    });
}

TEST_CASE("await: what a host drives hears of its sockets through the descriptor") {
    aya::runtime rt({.scheduler = aya::scheduler_kind::event_loop, .driven_by_host = true});
    auto work = []() -> aya::task<int> {
        asio::steady_timer t(aya::io::context(), 5ms);
        co_await t.async_wait(aya::io::await);
        co_return 42;
    };
    auto const handle = rt.spawn(work());
    while (!handle.done()) {
        pollfd watched{rt.descriptor(), POLLIN, 0};
        REQUIRE(::poll(&watched, 1, 60'000) == 1);
        rt.poll();
    }
    CHECK(handle.result() == 42);
}

TEST_CASE("await: a handler that throws does not end a worker") {
    test::on_every_runtime([](aya::runtime& rt) {
        auto work = []() -> aya::task<> {
            asio::post(aya::io::context(), [] { throw std::runtime_error("a handler's"); });
            co_await asio::post(aya::io::context(), aya::io::await);
        };
        rt.block_on(work());
    }, {.exception_handler = [](auto const&) {}});
}
