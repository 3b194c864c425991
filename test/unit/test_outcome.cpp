// SPDX-License-Identifier: Apache-2.0
#include <aya/errors.hpp>
#include <aya/outcome.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <stdexcept>

TEST_CASE("outcome: a value, an exception, a cancellation") {
    aya::outcome<int> const value(3);
    CHECK(value.has_value());
    CHECK(static_cast<bool>(value));
    CHECK_FALSE(value.cancelled());
    CHECK(value.value() == 3);
    CHECK(value.exception() == nullptr);

    aya::outcome<int> const failed(std::make_exception_ptr(std::runtime_error("no")));
    CHECK_FALSE(failed.has_value());
    CHECK_FALSE(failed.cancelled());
    CHECK(failed.exception() != nullptr);
    CHECK_THROWS_AS((void)failed.value(), std::runtime_error);

    aya::outcome<void> const cancelled(std::make_exception_ptr(aya::cancelled_error("why")));
    CHECK(cancelled.cancelled());
    CHECK_THROWS_AS((void)cancelled.value(), aya::cancelled_error);
    CHECK(aya::outcome<void>().has_value());
}

TEST_CASE("outcome: a value that only moves can be taken out") {
    aya::outcome<std::unique_ptr<int>> o(std::make_unique<int>(4));
    std::unique_ptr<int> const p = std::move(o).value();
    CHECK(*p == 4);
}
