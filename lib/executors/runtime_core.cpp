// SPDX-License-Identifier: Apache-2.0
#include "executors/runtime_core.hpp"

#include "executors/cpu_pool.hpp"
#include "executors/creations.hpp"
#include "executors/debug_mode.hpp"
#include "executors/fork_guard.hpp"
#include "executors/waiting_thread.hpp"

#include <aya/errors.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>

namespace aya::inline v1::detail {

namespace {

constexpr std::size_t most_workers = 4095; // what a field of idle_set's word holds

std::size_t or_default(std::size_t asked, std::size_t otherwise) { return asked == 0 ? otherwise : asked; }

} // namespace

runtime_core::runtime_core(runtime_options options)
    : options_(std::move(options)), debug_(options_.debug.value_or(debug_environment())), measured_(options_.histograms),
      trace_file_(options_.trace_file.empty() ? trace_environment() : options_.trace_file), generation_(fork_generation()),
      reports_(std::make_shared<report_sink>(options_.exception_handler)), setup_(options_, reports_) {
    watch_forks();
    if (int const s = options_.dump_signal; s < 0 || s > SIGRTMAX || s == SIGKILL || s == SIGSTOP || (s > SIGSYS && s < SIGRTMIN)) // the C library's own
        throw std::invalid_argument(
            fmt::format("aya::runtime_options::dump_signal: {} is no signal that can be handled", options_.dump_signal));
    if (options_.frame_memory_limit)
        limit_frame_memory(*options_.frame_memory_limit);
    clock_.is_virtual = options_.virtual_time;
    if (options_.driven_by_host && options_.scheduler != scheduler_kind::event_loop)
        throw std::invalid_argument("aya::runtime_options::driven_by_host: the scheduler has to be scheduler_kind::event_loop");
    if (options_.driven_by_host) {
        host_ = std::this_thread::get_id();
        host_descriptor_ = std::make_unique<wake_descriptor>();
    }
    if (options_.scheduler == scheduler_kind::event_loop) {
        loop_ = std::make_unique<event_loop>(*this, debug_, clock_);
        if (host_descriptor_ != nullptr)
            loop_->attach(*host_descriptor_);
        scheduler_ = loop_.get();
        callbacks_ = std::make_shared<callback_hub>(*scheduler_, reports_);
        start_inspection();
        return;
    }
    std::size_t const workers = or_default(options_.workers, std::min(usable_cpus_, most_workers));
    if (workers > most_workers)
        throw std::invalid_argument(
            fmt::format("aya::runtime_options::workers: {} is more than the limit of {}", workers, most_workers));
    pool_ = std::make_unique<thread_pool>(*this, debug_, workers, options_.lazy_workers, setup_, clock_);
    scheduler_ = pool_.get();
    callbacks_ = std::make_shared<callback_hub>(*scheduler_, reports_);
    start_inspection();
}

runtime_core::~runtime_core() {
    if (thread_context const* const here = this_thread(); here != nullptr && here->home == scheduler_) {
        std::fputs("aya::runtime: destroyed inside one of its own tasks, which it would have to wait for\n", stderr);
        std::abort();
    }
    host_ = {}; // whoever destroys it drives it to its end
    if (debug_)
        report_tasks_alive();
    end_work();
    // Who has woken a task of ours from outside may be on its way out still, and counts itself off last.
    for (unsigned round = 0; clock_.outside.load() != 0; ++round)
        relax(round);
    inspector_.reset();
    write_trace_file();
    if (debug_)
        end_noting(reports_);
    // The pools themselves go after the workers (see the order of members): one may still be on its way out of a submit().
}

void runtime_core::wait_for(task_state& t) {
    require_same_process("aya::runtime::wait");
    if (std::exception_ptr const error = wait_for_either(t, true))
        std::rethrow_exception(error);
}

// Until `t` is done, or, if asked for, the run ends by the exception that is returned.
std::exception_ptr runtime_core::wait_for_either(task_state& t, bool end_of_run) {
    if (pool_ != nullptr)
        pool_->require_worker();
    waiting_thread me(*this, end_of_run);
    if (!t.add_completion(me))
        return nullptr;
    {
        std::lock_guard const guard(waiting_mutex_);
        me.link();
    }
    return wait_linked(t, me);
}

void runtime_core::run_to_end(task_state& t) {
    waiting_thread me(*this, true);
    (void)t.add_completion(me); // it has not begun
    {
        std::lock_guard const guard(waiting_mutex_);
        me.link();
    }
    std::exception_ptr failure;
    try {
        start(t, false);
        if (pool_ != nullptr)
            pool_->require_worker();
    } catch (...) {
        failure = std::current_exception();
        std::lock_guard const guard(waiting_mutex_);
        me.tell(); // do not wait
    }
    std::exception_ptr const error = wait_linked(t, me);
    if (failure != nullptr)
        std::rethrow_exception(failure);
    if (error != nullptr)
        std::rethrow_exception(error);
}

// `me` is linked, and a completion of the task's. Returns what ended the wait before the task did, or a fatal error that came before its end was seen.
std::exception_ptr runtime_core::wait_linked(task_state& t, waiting_thread& me) {
    std::unique_lock lock(waiting_mutex_);
    wait_until_told(me, lock);
    me.unlink();
    if (loop_ != nullptr && !driven_ && waiting_ != nullptr)
        waiting_->changed.notify_one(); // the wheel is free
    if (!me.task_done) {
        lock.unlock();
        bool const withdrawn = t.remove_completion(me);
        lock.lock();
        if (!withdrawn)
            me.changed.wait(lock, [&] { return me.task_done; });
        return me.end_of_run;
    }
    return me.by_fatal_error ? me.end_of_run : nullptr;
}

// One thread at a time drives an event loop, and the tasks of the others run meanwhile too. If a host drives it, its thread does it, there or here.
void runtime_core::wait_until_told(waiting_thread& me, std::unique_lock<std::mutex>& lock) {
    for (;;) {
        me.changed.wait(lock, [&] { return me.told.load() || (loop_ != nullptr && !driven_ && may_drive()); });
        if (me.told.load())
            return;
        driven_ = true;
        lock.unlock();
        loop_->run_until(me.told);
        lock.lock();
        driven_ = false;
    }
}

bool runtime_core::end_waits(std::exception_ptr const& of_tasks, std::exception_ptr const& of_host) noexcept {
    std::lock_guard const guard(waiting_mutex_);
    // The same exception passes through task after task until main() has it.
    bool any = of_tasks == end_of_run_;
    for (waiting_thread* w = waiting_; w != nullptr; w = w->next) {
        if (!w->wants_end_of_run || w->told.load())
            continue;
        w->end_of_run = w->for_a_task ? of_tasks : of_host;
        w->by_fatal_error = of_host != nullptr;
        end_of_run_ = of_tasks;
        w->tell();
        any = true;
    }
    return any;
}

std::size_t runtime_core::worker_count() const noexcept { return pool_ == nullptr ? 1 : pool_->worker_count(); }

blocking_pool& runtime_core::blocking() {
    if (blocking_pool* const made = blocking_published_.load())
        return *made;
    std::lock_guard const guard(pools_mutex_);
    if (blocking_ == nullptr) {
        if (pools_closed_)
            throw broken_executor("aya::to_thread: the runtime is shut down");
        blocking_ = std::make_unique<blocking_pool>(
            or_default(options_.blocking_threads, std::min<std::size_t>(32, usable_cpus_ + 4)), std::chrono::seconds(10), &setup_);
    }
    blocking_published_.store(blocking_.get());
    return *blocking_;
}

cpu_pool& runtime_core::cpu() {
    if (cpu_pool* const made = cpu_published_.load())
        return *made;
    std::lock_guard const guard(pools_mutex_);
    if (cpu_ == nullptr) {
        if (pools_closed_)
            throw broken_executor("aya::to_cpu: the runtime is shut down");
        cpu_ = std::make_unique<cpu_pool>(or_default(options_.cpu_threads, usable_cpus_), cpu_priority::normal, &setup_);
    }
    cpu_published_.store(cpu_.get());
    return *cpu_;
}

io_driver& runtime_core::driver(std::unique_ptr<io_driver> (*make)(runtime_core&)) {
    if (io_driver* const made = driver_published_.load())
        return *made;
    std::lock_guard const guard(pools_mutex_);
    if (driver_ == nullptr) {
        driver_ = make(*this);
        if (pool_ != nullptr)
            pool_->attach(*driver_);
        else if (!has_host())
            loop_->attach(*driver_);
        driver_published_.store(driver_.get());
    }
    return *driver_;
}

std::size_t usable_cpus_here() {
    thread_context const* const here = this_thread();
    return here == nullptr ? usable_cpu_count() : here->home->owner().usable_cpus();
}

} // namespace aya::inline v1::detail

namespace aya::inline v1 {

runtime::runtime(runtime_options options) : core_(std::make_unique<detail::runtime_core>(std::move(options))) {}

runtime::~runtime() {
    if (core_->forked())
        detail::runtime_core::abandon(std::move(core_));
}

detail::scheduler& runtime::tasks() noexcept { return core_->tasks(); }

detail::scheduler& runtime::open_tasks(char const* what) {
    core_->require_open(what);
    return core_->tasks();
}

void runtime::start(detail::handle_base const& prepared, bool eagerly) {
    core_->start(*detail::handle_access::checked(prepared), eagerly);
}

void runtime::run_to_end(detail::handle_base const& prepared) { core_->run_to_end(*detail::handle_access::checked(prepared)); }

shutdown_report runtime::shutdown(time_point deadline) {
    require_outside("aya::runtime::shutdown");
    return core_->shut_down(deadline);
}

shutdown_report runtime::shutdown_after(duration grace) {
    return shutdown(detail::saturating_add(core_->clock().now(), grace));
}

std::size_t runtime::poll() { return core_->drive("aya::runtime::poll", std::nullopt); }

std::size_t runtime::drive_for(duration d) {
    return core_->drive("aya::runtime::run_for", detail::saturating_add(core_->clock().now(), d));
}

std::optional<time_point> runtime::next_deadline() const { return core_->next_deadline("aya::runtime::next_deadline"); }

int runtime::descriptor() const { return core_->descriptor(); }

bool runtime::stop() noexcept {
    try {
        return core_->stop(
            std::make_exception_ptr(invalid_state_error("aya::runtime: stopped before the task was done")));
    } catch (std::bad_alloc const&) {
        return core_->stop(std::current_exception());
    }
}

any_executor runtime::executor() const noexcept { return detail::executor_access::refer_to(core_->own_executor()); }

bool runtime::debug() const noexcept { return core_->debug(); }

std::size_t runtime::worker_count() const noexcept { return core_->worker_count(); }

void runtime::require_outside(char const* what) {
    if (detail::this_thread() != nullptr)
        throw invalid_state_error(
            fmt::format("{}: called inside a task, where it would block a worker; use co_await instead", what));
}

void runtime::wait(detail::handle_base const& handle) {
    require_outside("aya::runtime::wait");
    detail::handle_access::require_within(tasks(), handle, "aya::runtime::wait");
    core_->wait_for(*detail::handle_access::checked(handle));
}

} // namespace aya::inline v1
