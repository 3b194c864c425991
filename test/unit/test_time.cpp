// SPDX-License-Identifier: Apache-2.0
#include <aya/time.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>

using namespace std::chrono_literals;
using aya::detail::saturating_add;
using aya::detail::to_duration;

TEST_CASE("time: durations convert exactly, round up, and saturate") {
    CHECK(to_duration(3s) == 3'000'000'000ns);
    CHECK(to_duration(-3ms) == -3'000'000ns);
    CHECK(to_duration(std::chrono::duration<double>(0.5)) == 500ms);
    CHECK(to_duration(std::chrono::duration<double, std::nano>(0.2)) == 1ns);
    CHECK(to_duration(std::chrono::duration<int, std::pico>(1001)) == 2ns);
    CHECK(to_duration(std::chrono::hours::max()) == aya::duration::max());
    CHECK(to_duration(std::chrono::hours::min()) == aya::duration::min());
    CHECK(to_duration(std::chrono::years(10'000)) == aya::duration::max());
    CHECK(to_duration(std::chrono::duration<double>(1e300)) == aya::duration::max());
    CHECK(to_duration(std::chrono::duration<double>(-1e300)) == aya::duration::min());
    CHECK(to_duration(std::chrono::duration<float>(std::numeric_limits<float>::infinity())) == aya::duration::max());
    CHECK_THROWS_AS((void)to_duration(std::chrono::duration<double>(std::numeric_limits<double>::quiet_NaN())),
                    std::invalid_argument);
    CHECK(to_duration(std::chrono::duration<std::uint64_t>(~std::uint64_t{0})) == aya::duration::max());
    CHECK(to_duration(std::chrono::duration<std::uint64_t, std::nano>(~std::uint64_t{0})) == aya::duration::max());
    CHECK(to_duration(std::chrono::duration<std::uint64_t, std::milli>(~std::uint64_t{0})) == aya::duration::max());
    CHECK(to_duration(std::chrono::duration<std::uint64_t, std::pico>(~std::uint64_t{0})) == 18'446'744'073'709'552ns);
    CHECK(to_duration(std::chrono::duration<std::uint32_t>(~std::uint32_t{0})) == 4'294'967'295s);
    using wide = aya::detail::wide_integer;
    CHECK(to_duration(std::chrono::duration<wide>(wide{1} << 100)) == aya::duration::max());
    CHECK(to_duration(std::chrono::duration<wide, std::nano>(-(wide{1} << 64))) == aya::duration::min());
    CHECK(to_duration(std::chrono::duration<wide, std::pico>(wide{1} << 80)) == aya::duration::max());
    CHECK(to_duration(std::chrono::duration<std::int64_t, std::femto>(INT64_MAX)) == 9'223'372'036'855ns);
    CHECK(to_duration(std::chrono::duration<std::int64_t, std::femto>(-1'500'000)) == -1ns);
    std::string message;
    try {
        (void)to_duration(std::chrono::duration<double>(std::numeric_limits<double>::quiet_NaN()), "aya::sleep: the duration");
    } catch (std::invalid_argument const& e) {
        message = e.what();
    }
    CHECK(message == "aya::sleep: the duration must not be NaN");
}

TEST_CASE("time: adding to a time point saturates at both ends") {
    CHECK(saturating_add(aya::time_point(1s), 2s) == aya::time_point(3s));
    CHECK(saturating_add(aya::time_point(1s), aya::duration::max()) == aya::time_point::max());
    CHECK(saturating_add(aya::time_point(-10s), aya::duration::min()) == aya::time_point::min());
    CHECK(saturating_add(aya::time_point(10s), -20s) == aya::time_point(-10s));
}

TEST_CASE("time: outside a runtime now() is the monotonic clock") {
    auto const before = std::chrono::steady_clock::now();
    auto const between = aya::now();
    CHECK(before <= between);
    CHECK(between <= std::chrono::steady_clock::now());
}
