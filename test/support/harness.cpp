// SPDX-License-Identifier: Apache-2.0
#include "support/harness.hpp"

#include <aya/blocking_pool.hpp>
#include <aya/cpu_pool.hpp>
#include <aya/strand.hpp>

#include <doctest/doctest.h>

#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <mutex>

namespace test {

namespace {

void on(std::initializer_list<std::size_t> worker_counts, runtime_body const& body, aya::runtime_options const& base,
        place where) {
    for (std::size_t const workers : worker_counts) {
        kind const k{workers};
        // A subcase name is global, so a failure on a worker thread shows it too.
        if (doctest::detail::Subcase const entered{k.name().c_str(), where.file_name(), static_cast<int>(where.line())}) {
            aya::runtime rt(k.options(base));
            body(rt);
        }
    }
}

aya::runtime_options in_virtual_time() {
    aya::runtime_options options;
    options.virtual_time = true;
    return options;
}

// AYA_TEST_EXECUTOR=strand (cpu, blocking, inline): the bodies run as tasks of such an executor instead.
void run_body(aya::runtime& rt, task_body body) {
    char const* const given = std::getenv("AYA_TEST_EXECUTOR");
    if (given == nullptr)
        return rt.block_on(body);
    std::string const name = given;
    static aya::cpu_pool const cpu({.threads = 2}); // they outlive what the body leaves behind
    static aya::blocking_pool const blocking;
    aya::any_executor const executor = name == "strand"     ? aya::strand(rt.executor())
                                       : name == "cpu"      ? cpu.executor()
                                       : name == "blocking" ? blocking.executor()
                                                            : aya::any_executor(aya::inline_executor());
    auto const h = rt.spawn(body(), {.executor = executor});
    rt.wait(h);
    h.result();
}

} // namespace

std::string kind::name() const { return workers == 0 ? "event loop" : std::to_string(workers) + " worker(s)"; }

aya::runtime_options kind::options(aya::runtime_options base) const {
    base.scheduler = workers == 0 ? aya::scheduler_kind::event_loop : aya::scheduler_kind::thread_pool;
    base.workers = workers;
    return base;
}

void on_every_runtime(runtime_body const& body, aya::runtime_options const& base, place where) {
    on({0, 1, 2, 8}, body, base, where);
}
void on_ordered_runtimes(runtime_body const& body, aya::runtime_options const& base, place where) {
    on({0, 1}, body, base, where);
}
void everywhere(task_body body, place where) {
    on_every_runtime([&](aya::runtime& rt) { run_body(rt, body); }, in_virtual_time(), where);
}
void in_order(task_body body, place where) {
    on_ordered_runtimes([&](aya::runtime& rt) { rt.block_on(body); }, in_virtual_time(), where);
}
void on_event_loop(task_body body, place where) {
    on({0}, [&](aya::runtime& rt) { rt.block_on(body); }, in_virtual_time(), where);
}
void everywhere_in_real_time(task_body body, place where) {
    on_every_runtime([&](aya::runtime& rt) { rt.block_on(body); }, {}, where);
}

aya::task<> forever() {
    aya::event never;
    co_await never.wait();
}

struct report_log::contents {
    mutable std::mutex mutex;
    std::vector<std::string> messages;
};

report_log::report_log() : contents_(std::make_shared<contents>()) {}

std::function<void(aya::exception_report const&)> report_log::handler() {
    return [shared = contents_](aya::exception_report const& r) {
        std::lock_guard const guard(shared->mutex);
        shared->messages.emplace_back(r.message);
    };
}

std::vector<std::string> report_log::messages() const {
    std::lock_guard const guard(contents_->mutex);
    return contents_->messages;
}

std::uint64_t seed() {
    static std::uint64_t const chosen = [] {
        char const* const given = std::getenv("AYA_SEED");
        std::uint64_t const s = given == nullptr ? std::random_device{}() : std::strtoull(given, nullptr, 10);
        std::printf("AYA_SEED=%llu\n", static_cast<unsigned long long>(s));
        std::fflush(stdout);
        return s;
    }();
    return chosen;
}

stress_clock::stress_clock() : end_(std::chrono::steady_clock::now()) {
    char const* const given = std::getenv("AYA_STRESS_SECONDS");
    double const seconds = given == nullptr ? 1.0 : std::strtod(given, nullptr);
    end_ += std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(seconds));
}

void thread_crew::join() {
    for (auto& t : threads_)
        if (t.joinable())
            t.join();
}

} // namespace test
