// SPDX-License-Identifier: Apache-2.0
#include "platform/resting_thread.hpp"
#include "testing/leaks.hpp"

#include <aya/errors.hpp>
#include <aya/runtime.hpp>
#include <aya/task_tree.hpp>
#include <aya/testing.hpp>

#include <fmt/format.h>

#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

namespace aya::inline v1::detail {

std::map<int, std::string> open_descriptors() {
    std::map<int, std::string> all;
    std::error_code error;
    std::filesystem::directory_iterator const folder("/proc/self/fd", error);
    if (error)
        return all;
    for (auto const& entry : folder) {
        std::string const target = std::filesystem::read_symlink(entry.path(), error).string();
        if (!error && target.find("/proc/") != 0) // the folder itself
            all[std::atoi(entry.path().filename().c_str())] = target;
    }
    return all;
}

std::string leftovers(runtime& rt) {
    std::string text;
    if (task_tree const tree = capture_tasks(rt); !tree.tasks.empty())
        text += fmt::format("tasks are left: {}", tree.text());
    if (std::size_t const timers = rt.metrics().timers; timers != 0)
        text += fmt::format("{} timer{} left\n", timers, timers == 1 ? " is" : "s are");
    return text;
}

namespace {

/// Ends a test that takes too long. Lives longer than the test's runtime, whose end waits for the steps that still run.
class time_limit {
public:
    explicit time_limit(std::chrono::nanoseconds limit) : limit_(limit), thread_([this] { watch(); }) {}
    ~time_limit() {
        {
            std::lock_guard const guard(mutex_);
            over_ = true;
        }
        changed_.notify_all();
        thread_.join();
    }
    time_limit(time_limit const&) = delete;
    time_limit& operator=(time_limit const&) = delete;

    /// The time begins.
    void begin(runtime& rt) {
        {
            std::lock_guard const guard(mutex_);
            runtime_ = &rt;
            begun_ = true;
        }
        changed_.notify_all();
    }
    /// The body has ended, and the runtime is about to. The task tree of the moment when the test's time was over, or nothing.
    std::string end_of_body() {
        std::lock_guard const guard(mutex_);
        runtime& rt = *std::exchange(runtime_, nullptr);
        if (tree_.empty())
            left_ = capture_tasks(rt).text();
        return tree_;
    }

private:
    void watch() {
        constexpr int grace = 100; // looks, ten a second
        std::unique_lock lock(mutex_);
        {
            resting_thread const asleep;
            changed_.wait(lock, [&] { return begun_ || over_; });
            if (changed_.wait_for(lock, limit_, [&] { return over_; }))
                return;
        }
        for (int look = 0; look < grace; ++look) {
            if (runtime_ != nullptr) { // the lock keeps it there
                if (tree_.empty())
                    tree_ = capture_tasks(*runtime_).text();
                runtime_->stop(); // again and again: the thread that is to wait for the test may not do so yet
            }
            if (changed_.wait_for(lock, std::chrono::milliseconds(100), [&] { return over_; }))
                return;
        }
        std::fprintf(stderr, "aya::testing: the test's time is over, and one of its steps does not end\n%s", (tree_.empty() ? left_ : tree_).c_str());
        std::abort();
    }

    std::chrono::nanoseconds const limit_;
    std::mutex mutex_;
    std::condition_variable changed_;
    runtime* runtime_ = nullptr; // while the body runs
    bool begun_ = false;
    bool over_ = false;
    std::string tree_;
    std::string left_; // at the end of the body
    std::thread thread_;
};

} // namespace

} // namespace aya::inline v1::detail

namespace aya::inline v1::testing {

namespace {

std::string name_of(test_options const& o) { return o.workers == 0 ? "an event loop" : fmt::format("{} worker{}", o.workers, o.workers == 1 ? "" : "s"); }

} // namespace

void run(test_options options, std::function<task<>()> body) {
    auto const descriptors = detail::open_descriptors();
    std::string left;
    {
        detail::time_limit limit(options.time_limit);
        runtime_options how;
        how.scheduler = options.workers == 0 ? scheduler_kind::event_loop : scheduler_kind::thread_pool;
        how.workers = options.workers;
        how.virtual_time = options.virtual_time;
        how.debug = options.debug;
        runtime rt(how);
        task_handle<> const test = rt.spawn(body(), {.name = "test"});
        limit.begin(rt);
        std::exception_ptr ended;
        try {
            rt.wait(test);
        } catch (...) {
            ended = std::current_exception();
        }
        if (std::string const tree = limit.end_of_body(); ended != nullptr && !tree.empty())
            throw test_failure(fmt::format("the test takes longer than {:.3f} s ({}): {}",
                                           std::chrono::duration<double>(options.time_limit).count(), name_of(options), tree));
        if (ended != nullptr)
            std::rethrow_exception(ended);
        test.result();
        if (options.check_leaks)
            left = detail::leftovers(rt);
    }
    if (!options.check_leaks)
        return;
    for (auto const& [number, target] : detail::open_descriptors())
        if (auto const before = descriptors.find(number); before == descriptors.end() || before->second != target)
            left += fmt::format("descriptor {} is still open: {}\n", number, target);
    if (!left.empty())
        throw test_failure(fmt::format("the test has ended, and left something behind ({}): {}", name_of(options), left));
}

void run_everywhere(test_options options, std::function<task<>()> body) {
    for (std::size_t const workers : {0U, 1U, 2U, 8U}) {
        options.workers = workers;
        run(options, body);
    }
}

void require(bool condition, std::string const& what) {
    if (!condition)
        throw test_failure(what);
}

} // namespace aya::inline v1::testing
