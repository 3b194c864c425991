// SPDX-License-Identifier: Apache-2.0
// Requests that are cancelled or timed out at a random moment: no descriptor, connection, task or byte is left.
//
// AYA_HTTP_CANCELLATIONS   how many requests (3000 by default, a third with a sanitizer)
#include "http/server.hpp"

#include <aya/gather.hpp>
#include <aya/http.hpp>
#include <aya/timeout.hpp>
#include <aya/wait.hpp>

#include "support/harness.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <malloc.h>
#include <unistd.h>

namespace http = aya::http;
using namespace std::chrono_literals;

namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool sanitized = true;
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
constexpr bool sanitized = true;
#else
constexpr bool sanitized = false;
#endif
#else
constexpr bool sanitized = false;
#endif

int requests_to_cancel() {
    if (char const* const n = std::getenv("AYA_HTTP_CANCELLATIONS"))
        return std::atoi(n);
    return sanitized ? 1000 : 3000;
}

std::size_t descriptors() {
    auto const all = std::filesystem::directory_iterator("/proc/self/fd");
    return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

std::size_t allocated() { return ::mallinfo2().uordblks; }

/// Answers after a moment, in two parts, some of it big.
aya::task<> hesitate(std::shared_ptr<test::connection> c) {
    int n = 0;
    while (co_await c->asked()) {
        ++n;
        if (n % 3 == 0)
            co_await aya::sleep(std::chrono::microseconds(300 * (n % 7)));
        std::string const body(n % 5 == 0 ? 100000 : 100, 'x');
        std::string const bytes = test::reply(body);
        if (!co_await c->write(bytes.substr(0, bytes.size() / 2)))
            co_return;
        if (n % 4 == 0)
            co_await aya::yield();
        if (!co_await c->write(bytes.substr(bytes.size() / 2)))
            co_return;
    }
}

struct tally {
    int answered = 0;
    int cancelled = 0;
    int timed_out = 0;
};

aya::async_generator<std::string> chunks() {
    for (int i = 0; i < 20; ++i) {
        co_await aya::yield();
        co_yield std::string(1000, 'y');
    }
}

aya::task<std::size_t> one_request(http::client& client, std::string url, std::size_t kind) {
    switch (kind % 4) {
    case 0: {
        http::response const r = co_await client.get(url);
        co_return r.content().size();
    }
    case 1: {
        http::response_stream s = co_await client.stream("GET", url);
        co_return (co_await s.read()).size();
    }
    case 2: {
        http::content c(chunks());
        http::response const r = co_await client.post(url, c);
        co_return r.content().size();
    }
    default: {
        http::request r("GET", url);
        http::timeouts t;
        t.total = std::chrono::microseconds(50 * (1 + kind % 97));
        r.timeout(t);
        http::response const got = co_await client.request(r);
        co_return got.content().size();
    }
    }
}

aya::task<tally> storm(http::client& client, std::string url, int n, std::uint64_t stream) {
    test::random_source random(stream);
    tally t;
    for (int i = 0; i < n; ++i) {
        std::size_t const kind = random.below(1000);
        auto request = aya::create_task(one_request(client, url, kind));
        switch (random.below(4)) {
        case 0:
            break; // as it comes
        case 1:
            request.cancel();
            break;
        case 2:
            for (std::size_t k = random.below(20); k > 0; --k)
                co_await aya::yield();
            request.cancel();
            break;
        default:
            co_await aya::sleep(std::chrono::microseconds(random.below(2000)));
            request.cancel();
        }
        try {
            std::size_t const received = co_await request; // not inside of CHECK, which would keep the exception
            CHECK(received >= 100);
            ++t.answered;
        } catch (aya::cancelled_error const&) {
            ++t.cancelled;
        } catch (http::timeout_error const&) {
            ++t.timed_out;
        }
    }
    co_return t;
}

aya::task<tally> storms(http::client& client, std::string url, int n, std::uint64_t stream) {
    std::vector<aya::task<tally>> all;
    for (std::uint64_t k = 0; k < 16; ++k)
        all.push_back(storm(client, url, n / 16, stream + k));
    tally sum;
    for (tally const& t : co_await aya::gather(std::move(all))) {
        sum.answered += t.answered;
        sum.cancelled += t.cancelled;
        sum.timed_out += t.timed_out;
    }
    co_return sum;
}

} // namespace

TEST_CASE("http cancel: the connection of a cancelled request is given up at once, wherever it stood") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        test::server silent(test::silent());
        {
            http::client client({.trust_env = false});
            for (int wait = 0; wait < 2; ++wait) {
                auto request = aya::create_task(client.get(silent.url()));
                if (wait == 1)
                    co_await test::eventually([&] { return silent.open() == 1; });
                request.cancel();
                CHECK(co_await test::throws<aya::cancelled_error>(request));
                CHECK(client.active_requests() == 0);
                CHECK(client.open_connections() == 0);
                CHECK(co_await test::eventually([&] { return silent.open() == 0; }));
            }
            auto resolving = aya::create_task(client.get("http://name.invalid/"));
            co_await aya::yield();
            resolving.cancel();
            std::vector<aya::task_handle<http::response>> const waited(1, resolving);
            co_await aya::wait(waited);
            CHECK(client.active_requests() == 0);
        }
        co_await silent.stop();
    });
}

TEST_CASE("http cancel: requests cancelled or timed out at a random moment leave nothing behind") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        test::server server(hesitate);
        {
            http::client client({.limits = {.max_connections = 10}, .trust_env = false});
            int const n = requests_to_cancel() / 4; // on four kinds of runtime
            (void)co_await storms(client, server.url(), n / 4, 1000);
            std::size_t const memory = allocated();
            tally const t = co_await storms(client, server.url(), n, 2000);
            CHECK(t.answered > 0);
            CHECK(t.cancelled > 0);
            CHECK(t.answered + t.cancelled + t.timed_out == n / 16 * 16);
            CHECK(client.active_requests() == 0);
            CHECK(client.open_connections() <= 10);
            CHECK((co_await client.get(server.url())).status_code() == 200);
            CHECK(co_await test::eventually([&] { return server.open() <= 10; }));
            if (!sanitized)
                CHECK(allocated() < memory + 4 * 1024 * 1024);
        }
        CHECK(co_await test::eventually([&] { return server.open() == 0; }));
        co_await server.stop();
    });
}

TEST_CASE("http: workers divide the connections among them, and the limit is that of all") {
    for (std::size_t workers : {2U, 3U}) {
        aya::runtime rt({.workers = workers});
        rt.block_on([]() -> aya::task<> {
            test::server server(test::answering([](test::message const&) { return test::reply(std::string(100, 'x')); }));
            {
                http::client client({.limits = {.max_connections = 50}, .trust_env = false});
                auto const ask = [&client, url = server.url()]() -> aya::task<int> {
                    int answered = 0;
                    for (int i = 0; i < 20; ++i)
                        answered += (co_await client.get(url)).status_code() == 200;
                    co_return answered;
                };
                CHECK(co_await ask() == 20);
                CHECK(server.accepted() == 1); // one after the other, they all have the same
                std::vector<aya::task<int>> all;
                for (int i = 0; i < 100; ++i)
                    all.push_back(ask());
                int answered = 0;
                for (int n : co_await aya::gather(std::move(all)))
                    answered += n;
                CHECK(answered == 2000);
                CHECK(server.accepted() <= 50);
                CHECK(client.open_connections() == static_cast<std::size_t>(server.accepted()));
                CHECK(client.active_requests() == 0);
                (void)co_await storms(client, server.url(), 320, 4000);
                CHECK(client.active_requests() == 0);
                CHECK(client.open_connections() <= 50);
            }
            CHECK(co_await test::eventually([&] { return server.open() == 0; }));
            co_await server.stop();
        }());
    }
}

TEST_CASE("http cancel: no descriptor is left when a client and its runtime are gone") {
    std::size_t before = 0;
    for (int round = 0; round < 3; ++round) {
        {
            aya::runtime rt({.workers = 2});
            rt.block_on([]() -> aya::task<> {
                test::server server(hesitate);
                {
                    http::client client({.trust_env = false});
                    (void)co_await storms(client, server.url(), 160, 3000);
                }
                co_await server.stop();
            }());
        }
        if (round == 0)
            before = descriptors();
    }
    CHECK(descriptors() == before);
}

TEST_CASE("http cancel: a runtime that ends cancels the requests that are left") {
    aya::runtime rt({.workers = 2});
    std::unique_ptr<test::server> silent;
    http::client client(rt, {.trust_env = false});
    rt.block_on([](http::client& c, std::unique_ptr<test::server>& server) -> aya::task<> {
        server = std::make_unique<test::server>(test::silent());
        std::string const url = server->url();
        for (int i = 0; i < 10; ++i)
            aya::create_task(c.get(url));
        bool const all = co_await test::eventually([&] { return c.active_requests() == 10; });
        CHECK(all);
    }(client, silent));
    CHECK(client.active_requests() == 10);
    (void)rt.shutdown(0s);
    CHECK(client.active_requests() == 0);
    CHECK(client.open_connections() == 0);
}
