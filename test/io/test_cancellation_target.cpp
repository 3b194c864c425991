// SPDX-License-Identifier: Apache-2.0
// What Asio leaves with a handler to cancel its operation: kept, called, replaced and destroyed, whatever its size.
#include <aya/io/detail/cancellation_target.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <stdexcept>

using aya::io::detail::cancellation_target;
using boost::asio::cancellation_type;

namespace {

struct counts {
    int calls = 0;
    int alive = 0;
};

template <std::size_t Size>
struct canceller {
    counts* seen;
    std::array<std::byte, Size> ballast{};

    explicit canceller(counts& c, bool fail = false) : seen(&c) {
        if (fail)
            throw std::runtime_error("no canceller");
        ++seen->alive;
    }
    canceller(canceller const& other) : seen(other.seen) { ++seen->alive; }
    ~canceller() { --seen->alive; }
    void operator()(cancellation_type) const { ++seen->calls; }
};

template <std::size_t Size>
void check() {
    counts seen;
    {
        cancellation_target target;
        target.emit(cancellation_type::all); // nobody is there
        cancellation_target::slot slot(target);
        CHECK(slot.is_connected());
        CHECK(!slot.has_handler());

        slot.emplace<canceller<Size>>(seen);
        CHECK(slot.has_handler());
        target.emit(cancellation_type::all);
        target.emit(cancellation_type::terminal);
        CHECK(seen.calls == 2);

        slot.assign(canceller<Size>(seen)); // takes the first one's place
        CHECK(seen.alive == 1);
        slot.clear();
        CHECK(seen.alive == 0);
        target.emit(cancellation_type::all);
        CHECK(seen.calls == 2);

        CHECK_THROWS_AS((slot.emplace<canceller<Size>>(seen, true)), std::runtime_error);
        CHECK(!slot.has_handler());
        slot.emplace<canceller<Size>>(seen);
    }
    CHECK(seen.alive == 0);
}

} // namespace

TEST_CASE("cancellation target: handlers that fit its room") { check<1>(); }
TEST_CASE("cancellation target: handlers that do not fit") { check<200>(); }
