// SPDX-License-Identifier: Apache-2.0
// What belongs to one runtime: its scheduler, its other pools, its clock and its exception handler.
#pragma once

#include "executors/blocking_pool.hpp"
#include "executors/callback_hub.hpp"
#include "executors/clock_source.hpp"
#include "executors/cpu_pool.hpp"
#include "executors/event_loop.hpp"
#include "executors/report_sink.hpp"
#include "executors/thread_pool.hpp"
#include "executors/thread_setup.hpp"
#include "inspect/histogram.hpp"
#include "inspect/inspector.hpp"
#include "inspect/step_watch.hpp"
#include "inspect/tracer.hpp"
#include "platform/cpu_count.hpp"
#include "platform/wake_descriptor.hpp"

#include <aya/runtime.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace aya::inline v1::detail {

class runtime_core {
public:
    explicit runtime_core(runtime_options options);
    /// Cancels what is left, waits for its end, stops every thread. Not on a worker.
    ~runtime_core();

    [[nodiscard]] scheduler& tasks() noexcept { return *scheduler_; }
    [[nodiscard]] blocking_pool& blocking();
    [[nodiscard]] cpu_pool& cpu();
    [[nodiscard]] clock_source& clock() noexcept { return clock_; }
    /// What waits for sockets; `make` builds it at the first call. Throws what that throws. Any thread of the runtime.
    [[nodiscard]] io_driver& driver(std::unique_ptr<io_driver> (*make)(runtime_core&));
    /// The loop's host waits for no sockets: a driver has to have a thread of its own.
    [[nodiscard]] bool has_host() const noexcept { return host_descriptor_ != nullptr; }
    [[nodiscard]] std::size_t worker_count() const noexcept;

    /// Stands for the scheduler, for tasks of other runtimes and for those that come back.
    [[nodiscard]] executor_base& own_executor() noexcept { return own_executor_; }

    /// Blocks the calling thread until `t` is done; an event loop runs on it meanwhile. Throws what end_run() was given meanwhile.
    void wait_for(task_state& t);
    /// start() and wait_for() in one: whatever ends the run from the task's first step on finds the thread that waits.
    void run_to_end(task_state& t);

    /// A task ends by a fatal_error: all who wait throw it. False if nobody has it.
    [[nodiscard]] bool end_run(std::exception_ptr const& error) noexcept { return end_waits(error, error); }
    /// The waits of all threads end by that error, and a host's turns end. False if there is none.
    [[nodiscard]] bool stop(std::exception_ptr const& error) noexcept { return end_waits(error, nullptr); }

    // In shutdown.cpp.
    /// Throws invalid_state_error when no task may come from this thread; `what` names the caller.
    void require_open(char const* what) const;
    /// Schedules a task that was made after require_open(); throws if that has changed meanwhile.
    void start(task_state& t, bool eagerly);
    shutdown_report shut_down(time_point deadline);

    // In host_loop.cpp. `what` names the caller of the first two; they throw invalid_state_error on other threads than the host's.
    /// One turn, or turns until the end of a time on the runtime's clock.
    std::size_t drive(char const* what, std::optional<time_point> until);
    [[nodiscard]] std::optional<time_point> next_deadline(char const* what) const;
    /// Throws invalid_state_error where no host drives.
    [[nodiscard]] int descriptor() const;

    /// For an event loop: see step_order.
    void set_order(step_order* order) noexcept { loop_->set_order(order); }

    // fork(): this process is another one than that which made the runtime.
    [[nodiscard]] bool forked() const noexcept;
    /// Throws invalid_state_error; `what` names the caller.
    void require_same_process(char const* what) const;
    /// In place of the destructor: keeps the memory, and waits for nothing.
    static void abandon(std::unique_ptr<runtime_core> core) noexcept;

    [[nodiscard]] std::size_t usable_cpus() const noexcept { return usable_cpus_; }
    [[nodiscard]] bool debug() const noexcept { return debug_; }

    // In inspect/. For a runtime that somebody looks at: scheduler::watched().
    /// Runs a step, and notes how long it took; in debug mode, reports it when it took long.
    void run_watched(ready& r, ready::function step) noexcept;
    /// In debug mode: those that take long and still run.
    void report_overdue_steps();
    [[nodiscard]] std::chrono::nanoseconds slow_callback_duration() const noexcept { return options_.slow_callback_duration; }
    [[nodiscard]] std::string const& name() const noexcept { return options_.name; }
    /// Nothing in the runtime runs, is ready, is timed, or is under way on another thread.
    [[nodiscard]] bool at_rest() noexcept;
    /// A thread waits for one of its tasks.
    [[nodiscard]] bool is_waited_for() const noexcept { return clock_.waiting.load() != 0; }
    /// Of a runtime at rest, asked on the inspector's thread: whether the process has threads besides its workers, those that wait for its tasks, and
    /// the library's own that are idle.
    [[nodiscard]] bool others_live() const;
    /// Before that, so that threads of the CPU pool are known. Those will run for a moment.
    void call_roll() noexcept;
    /// How many steps it has taken: while that does not change, neither do its tasks.
    [[nodiscard]] std::uint64_t steps() const noexcept;
    [[nodiscard]] runtime_metrics read_metrics() const;

    void start_trace(std::size_t events);
    void stop_trace();
    [[nodiscard]] std::string trace_text();
    /// Null while none is recorded.
    [[nodiscard]] tracer* tracing() const noexcept { return tracing_.load(); }
    [[nodiscard]] std::shared_ptr<tracer> shared_trace();
    void trace_theft(std::size_t tasks) noexcept;
    void trace_park(std::chrono::steady_clock::time_point begin, std::chrono::steady_clock::time_point end) noexcept;

    [[nodiscard]] std::shared_ptr<report_sink> const& reports() const noexcept { return reports_; }
    [[nodiscard]] std::shared_ptr<callback_hub> const& callbacks() const noexcept { return callbacks_; }

private:
    struct waiting_thread;

    class scheduler_executor final : public executor_base {
    public:
        explicit scheduler_executor(runtime_core& core) noexcept : core_(&core) {}
        void submit(ready& r) noexcept override { core_->scheduler_->schedule(r); }
        scheduler* scheduler_of(runtime_core const& runtime) noexcept override {
            return &runtime == core_ ? core_->scheduler_ : nullptr;
        }

    private:
        runtime_core* core_;
    };

    enum class stage : std::uint8_t { open, closing, closed };

    void start_inspection();
    void report_tasks_alive() noexcept;
    [[nodiscard]] std::size_t resting_threads() const noexcept;
    [[nodiscard]] bool measure_delay(ready& r) noexcept;
    void write_trace_file() noexcept;
    [[nodiscard]] bool takes_tasks() const noexcept;
    [[nodiscard]] task<> wait_for_tasks(time_point deadline);
    void end_work();
    std::size_t drain();
    void report_failed_leftover(task_state& t) noexcept;
    void end_callbacks();
    bool end_waits(std::exception_ptr const& of_tasks, std::exception_ptr const& of_host) noexcept;
    [[nodiscard]] bool may_drive() const noexcept;
    void require_host(char const* what) const;
    std::exception_ptr wait_for_either(task_state& t, bool end_of_run);
    std::exception_ptr wait_linked(task_state& t, waiting_thread& me);
    void wait_until_told(waiting_thread& me, std::unique_lock<std::mutex>& lock);

    runtime_options options_;
    bool const debug_;
    bool const measured_; // histograms
    std::string const trace_file_;
    std::uint32_t const generation_; // of the process, see fork_guard.hpp
    clock_source clock_;
    std::shared_ptr<report_sink> reports_;
    thread_setup const setup_;
    std::size_t const usable_cpus_ = usable_cpu_count(); // by its maker: a pinned worker would count its own one alone
    std::shared_ptr<callback_hub> callbacks_;
    std::mutex pools_mutex_;
    bool pools_closed_ = false;               // under pools_mutex_
    std::unique_ptr<blocking_pool> blocking_; // made on first use
    std::unique_ptr<cpu_pool> cpu_;
    std::atomic<blocking_pool*> blocking_published_{nullptr};
    std::atomic<cpu_pool*> cpu_published_{nullptr};
    std::unique_ptr<io_driver> driver_; // made on first use
    std::atomic<io_driver*> driver_published_{nullptr};
    std::mutex waiting_mutex_;
    waiting_thread* waiting_ = nullptr; // under waiting_mutex_
    std::exception_ptr end_of_run_;     // the last one thrown to them; under waiting_mutex_
    bool driven_ = false;               // a thread runs the event loop; under waiting_mutex_
    std::atomic<stage> stage_{stage::open};
    std::mutex shutdown_mutex_;
    shutdown_report report_; // under shutdown_mutex_
    std::thread::id host_;   // who drives the loop, if a host does
    std::unique_ptr<wake_descriptor> host_descriptor_;
    runtime_core* next_abandoned_ = nullptr;
    step_watch steps_; // in debug mode
    histogram step_times_;
    histogram delays_;
    delay_probe delay_probe_;
    std::mutex trace_mutex_;
    std::shared_ptr<tracer> trace_; // made at the first start, and kept: threads may still look at it; under trace_mutex_
    std::atomic<tracer*> tracing_{nullptr};
    std::unique_ptr<thread_pool> pool_;
    std::unique_ptr<event_loop> loop_;
    scheduler* scheduler_ = nullptr;
    scheduler_executor own_executor_{*this};
    std::unique_ptr<inspector> inspector_; // while somebody is to look inside
};

/// How many CPUs pools that are made here may count on: in a task, as many as the runtime's maker could use.
[[nodiscard]] std::size_t usable_cpus_here();

} // namespace aya::inline v1::detail
