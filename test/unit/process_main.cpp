// SPDX-License-Identifier: Apache-2.0
// The tests' main(), at times a child's, and that of the parents that do not survive their test.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include "support/balance.hpp"
#include "support/processes.hpp"
#include "support/symbolizer.hpp"

#include <aya/process_pool.hpp>

#include <atomic>
#include <cstdio>
#include <exception>
#include <future>
#include <string>
#include <string_view>
#include <vector>

#include <unistd.h>

namespace {

int wait_for_a_signal() { return ::pause(); }
int spin_for_ever() {
    for (std::atomic<unsigned> n{0};; ++n) {
    }
}
pid_t own_pid() { return ::getpid(); }

// Prints the children's process ids: one idle, one that sleeps and one that computes.
[[noreturn]] void be_a_parent() {
    aya::process_pool idle({.max_workers = 1}), sleeping({.max_workers = 1}), computing({.max_workers = 1});
    for (aya::process_pool* p : {&idle, &sleeping, &computing})
        std::printf("%d\n", p->submit<&own_pid>().get());
    auto const a = sleeping.submit<&wait_for_a_signal>();
    auto const b = computing.submit<&spin_for_ever>();
    std::puts("ready");
    std::fflush(stdout);
    for (;;)
        ::pause();
}

} // namespace

int main(int argc, char** argv) {
    std::string_view const first = argc > 1 ? argv[1] : "";
    if (first == "--without-hook") {
        try {
            aya::process_pool pool;
        } catch (std::exception const& e) {
            std::puts(e.what());
        }
        return 0;
    }
    aya::process_pool_main(argc, argv);
    if (first == "--parent")
        be_a_parent();
    test::start_symbolizer();
    return test::with_balance(doctest::Context(argc, argv).run());
}
