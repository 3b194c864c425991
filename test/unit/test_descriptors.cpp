// SPDX-License-Identifier: Apache-2.0
// E29: no program that is started by a host inherits anything of the library's.
#include "support/harness.hpp"
#include "support/processes.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <set>
#include <string>

#include <fcntl.h>

namespace {

std::set<int> open_now() {
    std::set<int> all;
    for (auto const& entry : std::filesystem::directory_iterator("/proc/self/fd"))
        all.insert(std::atoi(entry.path().filename().c_str()));
    return all;
}

/// Descriptors that are open and were not before, and that a program started now would inherit.
std::string inherited_since(std::set<int> const& before) {
    std::string all;
    for (int const d : open_now())
        if (int const flags = ::fcntl(d, F_GETFD); before.count(d) == 0 && flags >= 0 && (flags & FD_CLOEXEC) == 0)
            all += std::to_string(d) + " ";
    return all;
}

} // namespace

TEST_CASE("E29: every descriptor of a runtime is closed on exec") {
    std::set<int> const before = open_now();
    aya::runtime_options options;
    options.scheduler = aya::scheduler_kind::event_loop;
    options.driven_by_host = true;
    aya::runtime host(options);
    aya::runtime pool(test::kind{2}.options());
    CHECK(host.descriptor() >= 0);
    CHECK(open_now().size() > before.size());
    int const three = pool.block_on([]() -> aya::task<int> {
        co_await aya::sleep(std::chrono::milliseconds(1));
        co_return co_await aya::to_thread([] { return 3; });
    });
    CHECK(three == 3);
    CHECK(inherited_since(before) == "");
}
