// SPDX-License-Identifier: Apache-2.0
// E29: no program that is started by a host inherits anything of the library's.
#include "support/harness.hpp"
#include "support/processes.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <set>

TEST_CASE("E29: every descriptor of a runtime is closed on exec") {
    std::set<int> const before = test::descriptors();
    aya::runtime_options options;
    options.scheduler = aya::scheduler_kind::event_loop;
    options.driven_by_host = true;
    aya::runtime host(options);
    aya::runtime pool(test::kind{2}.options());
    CHECK(host.descriptor() >= 0);
    CHECK(test::descriptors().size() > before.size());
    int const three = pool.block_on([]() -> aya::task<int> {
        co_await aya::sleep(std::chrono::milliseconds(1));
        co_return co_await aya::to_thread([] { return 3; });
    });
    CHECK(three == 3);
    // UBSan opens a pipe for a moment when it meets a new type, on threads that go to sleep too; what is left open stays.
    CHECK(test::eventually_outside([&] { return test::inherited_since(before) == ""; }));
}
