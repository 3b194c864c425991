// SPDX-License-Identifier: Apache-2.0
#include "platform/patience.hpp"

#include "support/harness.hpp"

#include <doctest/doctest.h>

using aya::time_point;
using aya::detail::patience;

TEST_CASE("patience: looks while that pays, and hardly ever while it does not") {
    patience p;
    auto const in_vain = [&p](int times) {
        int looks = 0;
        for (int i = 0; i < times; ++i)
            if (p.willing()) {
                ++looks;
                CHECK_FALSE(p.look(time_point::min(), [] { return false; }));
            }
        return looks;
    };
    CHECK(p.willing());
    CHECK(p.look(time_point::max(), [] { return true; }));
    CHECK(in_vain(100) < 10);
    int const rare = in_vain(10'000);
    CHECK(rare > 10); // it goes on trying
    CHECK(rare < 40);

    while (!p.willing()) {
    }
    CHECK(p.look(time_point::max(), [] { return true; }));
    CHECK(p.willing()); // at once
}

TEST_CASE("patience: a look ends when what it looks for comes, and by itself") {
    patience p;
    int glances = 0;
    CHECK(test::eventually_outside([&] { // a look ends after 50 us, whether or not the thread had a CPU
        glances = 0;
        return p.look(time_point::max(), [&] { return ++glances == 3; });
    }));
    CHECK(glances == 3);
    CHECK_FALSE(p.look(time_point::max(), [] { return false; }));
}
