// SPDX-License-Identifier: Apache-2.0
#include "executors/runtime_core.hpp"

#include "platform/cpu_count.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>

namespace aya::detail {

namespace {

constexpr std::size_t most_workers = 4095; // what a field of idle_set's word holds

std::size_t or_default(std::size_t asked, std::size_t otherwise) { return asked == 0 ? otherwise : asked; }

/// Tells a thread outside the scheduler that a task is done.
struct done_signal final : completion {
    explicit done_signal(event_loop* l) noexcept : completion(&notified), loop(l) {}

    static void notified(completion& c, task_state&) noexcept {
        auto& self = static_cast<done_signal&>(c);
        // Under the lock: the waiting thread owns this object and goes on only when it has the lock again.
        std::lock_guard const guard(self.mutex);
        self.done.store(true);
        if (self.loop != nullptr)
            self.loop->wake();
        self.changed.notify_all();
    }
    void wait() {
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return done.load(); });
    }

    event_loop* loop;
    std::mutex mutex;
    std::condition_variable changed;
    std::atomic<bool> done{false};
};

} // namespace

runtime_core::runtime_core(runtime_options options)
    : options_(std::move(options)), reports_(std::make_shared<report_sink>(options_.exception_handler)) {
    clock_.is_virtual = options_.virtual_time;
    if (options_.scheduler == scheduler_kind::event_loop) {
        loop_ = std::make_unique<event_loop>(*this, clock_);
        scheduler_ = loop_.get();
        return;
    }
    std::size_t const workers = or_default(options_.workers, std::min(usable_cpu_count(), most_workers));
    if (workers > most_workers)
        throw std::invalid_argument(
            fmt::format("aya::runtime_options::workers: {} is more than the limit of {}", workers, most_workers));
    pool_ = std::make_unique<thread_pool>(*this, workers, clock_);
    scheduler_ = pool_.get();
}

runtime_core::~runtime_core() {
    if (thread_context const* const here = this_thread(); here != nullptr && here->home == scheduler_) {
        std::fputs("aya::runtime: destroyed inside one of its own tasks, which it would have to wait for\n", stderr);
        std::abort();
    }
    drain();
    // Their last jobs still wake nobody, but they call into the scheduler: they end first.
    blocking_.reset();
    cpu_.reset();
    drain();
    pool_.reset();
    loop_.reset();
}

void runtime_core::wait_for(task_state& t) {
    done_signal signal(loop_.get());
    if (!t.add_completion(signal))
        return;
    if (loop_ != nullptr) {
        // One thread at a time drives the loop; the others' tasks run meanwhile too.
        std::lock_guard const driving(driving_mutex_);
        loop_->run_until(signal.done);
    }
    signal.wait();
}

// Tasks that are left are cancelled once and awaited; what they spawn meanwhile is treated alike, until none is left.
void runtime_core::drain() {
    for (;;) {
        auto const left = scheduler_->registry().snapshot();
        if (left.empty())
            return;
        for (auto const& t : left)
            t->cancel("the runtime shuts down");
        for (auto const& t : left)
            wait_for(*t);
    }
}

std::size_t runtime_core::worker_count() const noexcept { return pool_ == nullptr ? 1 : pool_->worker_count(); }

blocking_pool& runtime_core::blocking() {
    if (blocking_pool* const made = blocking_published_.load())
        return *made;
    std::lock_guard const guard(pools_mutex_);
    if (blocking_ == nullptr)
        blocking_ = std::make_unique<blocking_pool>(
            or_default(options_.blocking_threads, std::min<std::size_t>(32, usable_cpu_count() + 4)), clock_);
    blocking_published_.store(blocking_.get());
    return *blocking_;
}

cpu_pool& runtime_core::cpu() {
    if (cpu_pool* const made = cpu_published_.load())
        return *made;
    std::lock_guard const guard(pools_mutex_);
    if (cpu_ == nullptr)
        cpu_ = std::make_unique<cpu_pool>(or_default(options_.cpu_threads, usable_cpu_count()), clock_);
    cpu_published_.store(cpu_.get());
    return *cpu_;
}

} // namespace aya::detail

namespace aya {

runtime::runtime(runtime_options options) : core_(std::make_unique<detail::runtime_core>(std::move(options))) {}

runtime::~runtime() = default;

detail::scheduler& runtime::tasks() noexcept { return core_->tasks(); }

std::size_t runtime::worker_count() const noexcept { return core_->worker_count(); }

void runtime::require_outside(char const* what) {
    if (detail::this_thread() != nullptr)
        throw invalid_state_error(
            fmt::format("{}: called inside a task, where it would block a worker; use co_await instead", what));
}

void runtime::wait(detail::handle_base const& handle) {
    require_outside("aya::runtime::wait");
    core_->wait_for(*detail::handle_access::checked(handle));
}

} // namespace aya
