// SPDX-License-Identifier: Apache-2.0
// A test that hangs is ended with its name, rather than by whoever waits for the whole run.
#include <aya/config.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>
#include <thread>

namespace {

double stress_seconds() {
    char const* const given = std::getenv("AYA_STRESS_SECONDS");
    return given == nullptr ? 0 : std::strtod(given, nullptr);
}

class watchdog final : public doctest::IReporter {
public:
    explicit watchdog(doctest::ContextOptions const&) {}

    void test_run_start() override {
        thread_ = std::thread([this] { watch(); });
    }
    void test_run_end(doctest::TestRunStats const&) override {
        {
            std::lock_guard const guard(mutex_);
            over_ = true;
        }
        changed_.notify_all();
        if (thread_.joinable())
            thread_.join();
    }
    void test_case_start(doctest::TestCaseData const& test) override {
        std::lock_guard const guard(mutex_);
        name_ = test.m_name;
        subcase_.clear();
        feed();
    }
    void test_case_reenter(doctest::TestCaseData const&) override {
        std::lock_guard const guard(mutex_);
        feed();
    }
    void subcase_start(doctest::SubcaseSignature const& subcase) override {
        std::lock_guard const guard(mutex_);
        subcase_ = subcase.m_name.c_str();
        feed();
    }
    void test_case_end(doctest::CurrentTestCaseStats const&) override {
        std::lock_guard const guard(mutex_);
        name_.clear();
    }

    void report_query(doctest::QueryData const&) override {}
    void test_case_exception(doctest::TestCaseException const&) override {}
    void subcase_end() override {}
    void log_assert(doctest::AssertData const&) override {}
    void log_message(doctest::MessageData const&) override {}
    void test_case_skipped(doctest::TestCaseData const&) override {}

private:
    using clock = std::chrono::steady_clock;

    void feed() { deadline_ = clock::now() + limit_; }

    void watch() {
        std::unique_lock lock(mutex_);
        while (!over_) {
            changed_.wait_for(lock, std::chrono::seconds(1));
            if (over_ || name_.empty() || clock::now() < deadline_)
                continue;
            std::fprintf(stderr, "\nWATCHDOG: \"%s\" (%s) takes too long; giving up.\n", name_.c_str(), subcase_.c_str());
            std::fflush(stderr);
            std::signal(SIGABRT, SIG_DFL); // the framework's handler would report to this listener, which is busy
            std::abort();
        }
    }

    // AYA_WATCHDOG_SECONDS: for those who expect a hang.
    static double patience() {
        char const* const given = std::getenv("AYA_WATCHDOG_SECONDS");
        return given != nullptr ? std::strtod(given, nullptr) : AYA_SANITIZED ? 600 : 180;
    }

    std::chrono::duration<double> const seconds_{patience() + 4 * stress_seconds()};
    clock::duration const limit_ = std::chrono::duration_cast<clock::duration>(seconds_);
    std::mutex mutex_;
    std::condition_variable changed_;
    std::string name_;
    std::string subcase_;
    clock::time_point deadline_;
    bool over_ = false;
    std::thread thread_;
};

DOCTEST_REGISTER_LISTENER("watchdog", 1, watchdog);

} // namespace
