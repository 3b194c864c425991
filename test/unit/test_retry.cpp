// SPDX-License-Identifier: Apache-2.0
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

using test::everywhere;
using namespace std::chrono_literals;

namespace {

struct attempts {
    std::vector<aya::time_point> when;
    std::size_t failures = 0; // how many attempts fail
};

aya::task<std::string> answer(attempts& a, std::string question) {
    a.when.push_back(aya::now());
    if (a.when.size() <= a.failures)
        throw std::runtime_error("busy");
    co_return std::move(question) + "!";
}

} // namespace

TEST_CASE("retry: until one attempt succeeds, with pauses that double up to a limit and fresh arguments") {
    everywhere([]() -> aya::task<> {
        attempts a{.when = {}, .failures = 4};
        aya::retry_options const options{.max_retries = 9, .base_delay = 10ms, .max_delay = 35ms, .jitter = 0};
        std::string const got = co_await aya::retry(options, answer, std::ref(a), std::string("now"));
        CHECK(got == "now!");
        REQUIRE(a.when.size() == 5);
        CHECK(a.when[1] - a.when[0] == 10ms);
        CHECK(a.when[2] - a.when[1] == 20ms);
        CHECK(a.when[3] - a.when[2] == 35ms);
        CHECK(a.when[4] - a.when[3] == 35ms);
    });
}

TEST_CASE("retry: jitter shortens a pause by its part at most") {
    everywhere([]() -> aya::task<> {
        attempts a{.when = {}, .failures = 30};
        aya::retry_options const options{.max_retries = 30, .base_delay = 1s, .max_delay = 1s, .jitter = 0.25};
        (void)co_await aya::retry(options, answer, std::ref(a), std::string());
        bool differ = false;
        for (std::size_t i = 1; i < a.when.size(); ++i) {
            auto const pause = a.when[i] - a.when[i - 1];
            CHECK(pause <= 1s);
            CHECK(pause >= 749ms);
            differ = differ || pause != a.when[1] - a.when[0];
        }
        CHECK(differ);
    });
}

TEST_CASE("retry: gives up after max_retries with the last exception; none at all with zero") {
    everywhere([]() -> aya::task<> {
        for (std::ptrdiff_t const most : {0, 2}) {
            attempts a{.when = {}, .failures = 100};
            aya::retry_options const options{.max_retries = most};
            bool const failed =
                co_await test::throws<std::runtime_error>(aya::retry(options, answer, std::ref(a), std::string()));
            CHECK(failed);
            CHECK(a.when.size() == static_cast<std::size_t>(most) + 1);
        }
    });
}

TEST_CASE("retry: only the named exceptions, or those that a predicate accepts") {
    everywhere([]() -> aya::task<> {
        aya::retry_options const options{};
        attempts other{.when = {}, .failures = 100};
        auto const not_named = aya::create_task(
            aya::retry<std::logic_error, aya::timeout_error>(options, answer, std::ref(other), std::string()));
        bool const through = co_await test::throws<std::runtime_error>(not_named);
        CHECK(through);
        CHECK(other.when.size() == 1);
        attempts named{.when = {}, .failures = 2};
        (void)co_await aya::retry<std::logic_error, std::runtime_error>(options, answer, std::ref(named),
                                                                        std::string());
        CHECK(named.when.size() == 3);
        attempts judged{.when = {}, .failures = 100};
        int calls = 0;
        auto twice = [&calls](std::exception_ptr const& e) { return e != nullptr && ++calls < 3; };
        bool const failed = co_await test::throws<std::runtime_error>(
            aya::retry_if(twice, options, answer, std::ref(judged), std::string()));
        CHECK(failed);
        CHECK(judged.when.size() == 3);
    });
}

TEST_CASE("retry: a cancellation is not retried, neither in an attempt nor in a pause") {
    everywhere([]() -> aya::task<> {
        int started = 0;
        auto wait = [&started]() -> aya::task<> {
            ++started;
            co_await test::forever();
        };
        aya::retry_options const options{.base_delay = 1h, .max_delay = 1h};
        auto const waiting = aya::create_task(aya::retry(options, wait));
        co_await test::settle();
        waiting.cancel();
        co_await test::settle();
        CHECK(waiting.cancelled());
        CHECK(started == 1);
        attempts a{.when = {}, .failures = 100};
        auto const pausing = aya::create_task(aya::retry(options, answer, std::ref(a), std::string()));
        co_await test::settle();
        pausing.cancel();
        co_await test::settle();
        CHECK(pausing.cancelled());
        CHECK(a.when.size() == 1);
    });
}

TEST_CASE("retry: a fatal_error is not retried") {
    test::on_every_runtime([](aya::runtime& rt) {
        int attempts = 0;
        auto leave = [&attempts]() -> aya::task<> {
            ++attempts;
            throw aya::system_exit(3);
            co_return;
        };
        CHECK_THROWS_AS(rt.block_on([&]() -> aya::task<> { co_await aya::retry({}, leave); }), aya::system_exit);
        CHECK(attempts == 1);
    });
}

TEST_CASE("retry: options out of range are refused") {
    everywhere([]() -> aya::task<> {
        attempts a;
        std::vector<aya::retry_options> wrong(5);
        wrong[0].max_retries = -1;
        wrong[1].base_delay = -1ms;
        wrong[2].max_delay = -1ms;
        wrong[3].jitter = 1.5;
        wrong[4].jitter = std::numeric_limits<double>::quiet_NaN();
        for (auto const& options : wrong) {
            bool const refused =
                co_await test::throws<std::invalid_argument>(aya::retry(options, answer, std::ref(a), std::string()));
            CHECK(refused);
        }
        CHECK(a.when.empty());
    });
}
