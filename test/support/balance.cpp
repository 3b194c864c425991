// SPDX-License-Identifier: Apache-2.0
// After each test case as many descriptors are open as before; and where the library counts (see aya/detail/balance.hpp), every task
// that was spawned has returned, failed, been cancelled or been rejected, and no state, block, waiter, timer, watcher or thread is left.
#include "support/balance.hpp"

#include "support/processes.hpp"

#include <aya/detail/balance.hpp>
#include <aya/run.hpp>

#include <doctest/doctest.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <string>
#include <thread>

namespace {

using aya::detail::counted;

struct level {
    char const* what;
    long value;
};

// A sanitizer may start a helper that names functions, and talk to it through descriptors.
long descriptors() { return AYA_SANITIZED ? 0 : static_cast<long>(test::open_descriptors()); }

#if AYA_BALANCE
constexpr std::size_t levels = 8;
std::array<level, levels> now() {
    auto const n = [](counted what) { return aya::detail::count_of(what); };
    return {{{"tasks that have not ended", n(counted::spawned) - n(counted::returned) - n(counted::failed) -
                                               n(counted::cancelled) - n(counted::rejected)},
             {"states of tasks and futures", n(counted::states)},
             {"blocks of frame memory", n(counted::blocks)},
             {"waiters", n(counted::waiters)},
             {"timers", n(counted::timers)},
             {"watchers of a task's end", n(counted::watchers)},
             {"threads", n(counted::threads)},
             {"descriptors", descriptors()}}};
}
#else
constexpr std::size_t levels = 1;
std::array<level, levels> now() { return {{{"descriptors", descriptors()}}}; }
#endif

int imbalances = 0;

class balance_check final : public doctest::IReporter {
public:
    explicit balance_check(doctest::ContextOptions const&) {}

    void test_case_start(doctest::TestCaseData const& test) override {
        name_ = test.m_name;
        before_ = now();
    }
    void test_case_end(doctest::CurrentTestCaseStats const&) override {
        // Threads that were told to end, and what they hold, may take a moment.
        auto const deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
        while (differs() && std::chrono::steady_clock::now() < deadline)
            std::this_thread::yield();
        auto const after = now();
        for (std::size_t i = 0; i < levels; ++i) {
            if (after[i].value == before_[i].value)
                continue;
            ++imbalances;
            std::fprintf(stderr, "BALANCE: \"%s\": %s: %ld before, %ld after\n", name_.c_str(), after[i].what, before_[i].value,
                         after[i].value);
        }
    }

    void report_query(doctest::QueryData const&) override {}
    void test_run_start() override {
        // run() makes one descriptor for its signal handler, and keeps it for ever. Here, so that no test seems to leave it behind.
        struct sigaction by_default {};
        struct sigaction before {};
        by_default.sa_handler = SIG_DFL;
        ::sigaction(SIGINT, &by_default, &before);
        aya::runtime_options options;
        options.scheduler = aya::scheduler_kind::event_loop;
        aya::run(options, []() -> aya::task<> { co_return; });
        ::sigaction(SIGINT, &before, nullptr);
    }
    void test_run_end(doctest::TestRunStats const&) override {}
    void test_case_reenter(doctest::TestCaseData const&) override {}
    void test_case_exception(doctest::TestCaseException const&) override {}
    void subcase_start(doctest::SubcaseSignature const&) override {}
    void subcase_end() override {}
    void log_assert(doctest::AssertData const&) override {}
    void log_message(doctest::MessageData const&) override {}
    void test_case_skipped(doctest::TestCaseData const&) override {}

private:
    [[nodiscard]] bool differs() const {
        auto const at = now();
        for (std::size_t i = 0; i < levels; ++i)
            if (at[i].value != before_[i].value)
                return true;
        return false;
    }

    std::string name_;
    std::array<level, levels> before_{};
};

DOCTEST_REGISTER_LISTENER("balance", 2, balance_check);

} // namespace

namespace test {

int with_balance(int result) {
    if (imbalances != 0)
        std::fprintf(stderr, "BALANCE: %d figures differ\n", imbalances);
    return result != 0 || imbalances == 0 ? result : 1;
}

} // namespace test
