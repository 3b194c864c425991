// SPDX-License-Identifier: Apache-2.0
// Servers that run out of memory: each allocation on a connection's way fails, alone and with all that follow for a while.
#include "support/shortage_new.hpp"

#include <aya/sleep.hpp>
#include <aya/timeout.hpp>

#include "io/raw_sockets.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <exception>
#include <new>
#include <vector>

using namespace std::chrono_literals;

namespace {

using test::short_memory;
using test::shortage;

bool is_lack_of_memory(std::exception_ptr const& error) {
    try {
        std::rethrow_exception(error);
    } catch (std::bad_alloc const&) {
        return true;
    } catch (...) {
        return false;
    }
}

bool is_answered(int descriptor) {
    char c = 0;
    return ::recv(descriptor, &c, 1, MSG_DONTWAIT | MSG_PEEK) >= 0 || errno != EAGAIN;
}

// Less than `least` after `begin`, or not met yet. Whoever waits for that may need no memory itself: not even for a coroutine's frame.
bool is_early(std::chrono::steady_clock::time_point begin, std::chrono::nanoseconds least) {
    auto const spent = std::chrono::steady_clock::now() - begin;
    return spent < least || (!short_memory::met() && spent < 60s);
}

// Whether the n-th allocation was met while a client was served, or not.
aya::task<bool> serve_with_a_shortage(unsigned short port, long n, shortage how) {
    test::raw_socket const client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    aya::io::address const at = aya::io::numeric_address("127.0.0.1", port);
    short_memory::begin(n, how);
    bool const sent = ::connect(client.descriptor, at.data(), at.size()) == 0 && ::send(client.descriptor, "x", 1, MSG_NOSIGNAL) == 1;
    auto const begin = std::chrono::steady_clock::now(); // a server that backs off answers later
    while (!is_answered(client.descriptor) && is_early(begin, 20ms))
        co_await aya::yield();
    bool const met = short_memory::end();
    CHECK(sent);
    co_return met;
}

aya::task<> serve_with_shortages(shortage how) {
    auto server = co_await test::echo_server();
    co_await test::ask(server.port());
    long n = 1;
    while (n < 500 && co_await serve_with_a_shortage(server.port(), n, how)) {
        co_await aya::timeout(30s, test::ask, server.port());
        ++n;
    }
    CHECK(n > 3);
    CHECK(n < 500);
    CHECK(server.is_serving());
    server.close();
    server.abort_clients();
    co_await server.wait_closed();
}

constexpr std::size_t clients = 30;
constexpr std::size_t most_lost = 10; // the server's waits double: there is no time for more

void on_every_runtime(shortage how, test::place where = test::place::current()) {
    short_memory const frames_too;
    std::atomic<int> others{0};
    test::on_every_runtime([how](aya::runtime& rt) { rt.block_on(serve_with_shortages(how)); },
                           {.exception_handler = [&](aya::exception_report const& r) { others += !is_lack_of_memory(r.exception); }}, where);
    CHECK(others == 0);
}

} // namespace

TEST_CASE("no memory: a connection may be lost for a single lack, its server goes on") { on_every_runtime(shortage::one); }

TEST_CASE("no memory: a server goes on when a lack that lasted is over") { on_every_runtime(shortage::lasting); }

TEST_CASE("no memory: a server waits while there is none, so that few connections are lost") {
    test::on_ordered_runtimes([](aya::runtime& rt) {
        auto work = []() -> aya::task<> {
            auto server = co_await test::echo_server();
            co_await test::ask(server.port());
            co_await aya::sleep(1ms); // timers have memory for one from now on
            aya::io::address const at = aya::io::numeric_address("127.0.0.1", server.port());
            std::vector<test::raw_socket> all;
            for (std::size_t i = 0; i < clients; ++i)
                all.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
            short_memory::begin(1, shortage::lasting);
            std::size_t sent = 0;
            for (test::raw_socket const& s : all)
                sent += ::connect(s.descriptor, at.data(), at.size()) == 0 && ::send(s.descriptor, "x", 1, MSG_NOSIGNAL) == 1;
            auto const begin = std::chrono::steady_clock::now();
            while (is_early(begin, 10ms))
                co_await aya::yield();
            bool const met = short_memory::end();
            CHECK(met);
            std::size_t answered = 0;
            std::size_t lost = 0;
            for (test::raw_socket const& s : all) {
                CHECK(co_await test::eventually([&] { return is_answered(s.descriptor); }));
                char c = 0;
                ::recv(s.descriptor, &c, 1, MSG_DONTWAIT) == 1 ? ++answered : ++lost;
            }
            CHECK(lost <= most_lost);
            CHECK(answered + lost == clients);
            CHECK(sent >= answered);
            server.close();
            server.abort_clients();
            co_await server.wait_closed();
        };
        rt.block_on(work());
    }, {.exception_handler = [](auto const&) {}});
}
