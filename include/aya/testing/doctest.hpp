// SPDX-License-Identifier: Apache-2.0
// Test cases for doctest whose bodies are coroutines, without a macro: an object for each, where a TEST_CASE would stand.
//
//     aya::testing::test_case const asks_once("the cache asks once", []() -> aya::task<> {
//         cache c;
//         auto [a, b] = co_await aya::gather(c.get("x"), c.get("x"));
//         CHECK(c.questions() == 1);
//     });
#pragma once

#include <aya/testing.hpp>

#include <doctest/doctest.h>

#include <concepts>
#include <source_location>
#include <type_traits>

namespace aya::inline v1::testing {

/// A test case's name, and where it stands.
struct test_name {
    constexpr test_name(char const* n, std::source_location w = std::source_location::current()) noexcept : name(n), where(w) {}

    char const* name;
    std::source_location where;
};

/// A lambda without captures that makes a task<>.
template <class F>
concept test_body = std::is_empty_v<F> && std::default_initializable<F> && std::is_invocable_r_v<task<>, F>;

/// Registers a test case with doctest when it is made, which is before main() for an object outside functions. The case calls run(options, body): on
/// a runtime of its own, in virtual time, with a look at what is left. What doctest multiplies a TEST_CASE's name with comes last:
/// `doctest::test_suite("cache")`, `doctest::should_fail()`, .... CHECK and REQUIRE work as ever, SUBCASE in the body itself; INFO and CAPTURE
/// belong to a thread, and hold until the next co_await alone.
class test_case {
public:
    template <test_body F, class... Decorators>
    test_case(test_name name, F body, Decorators const&... decorators) : test_case(name, test_options(), body, decorators...) {}

    template <test_body F, class... Decorators>
    test_case(test_name name, test_options options, F, Decorators const&... decorators) {
        options_of<F> = options;
        doctest::detail::TestCase c(&run_body<F>, name.where.file_name(), name.where.line(), doctest::detail::TestSuite());
        c* name.name;
        (void)(c * ... * decorators);
        doctest::detail::regTest(c);
    }

private:
    template <class F> // each lambda has a type of its own
    inline static test_options options_of;

    template <class F>
    static void run_body() {
        run(options_of<F>, F());
    }
};

} // namespace aya::inline v1::testing
