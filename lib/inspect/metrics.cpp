// SPDX-License-Identifier: Apache-2.0
#include "executors/runtime_core.hpp"

#include <aya/metrics.hpp>
#include <aya/runtime.hpp>

#include <fmt/format.h>

#include <iterator>
#include <limits>

namespace aya::inline v1 {

double time_histogram::quantile(double part) const noexcept {
    double const wanted = part * static_cast<double>(count);
    std::uint64_t below = 0;
    for (std::size_t i = 0; i < counts.size(); ++i) {
        below += counts[i];
        if (below != 0 && static_cast<double>(below) >= wanted)
            return i < bounds.size() ? bounds[i] : std::numeric_limits<double>::infinity();
    }
    return 0;
}

namespace {

std::string escaped(std::string_view text) {
    std::string result;
    for (char const c : text) {
        if (c == '\n') {
            result += "\\n";
            continue;
        }
        if (c == '"' || c == '\\')
            result += '\\';
        result += c;
    }
    return result;
}

class prometheus_writer {
public:
    prometheus_writer(std::string_view prefix, std::string_view runtime)
        : prefix_(prefix), labels_(fmt::format("runtime=\"{}\"", escaped(runtime))) {}

    template <class Number>
    void one(std::string_view name, std::string_view type, std::string_view help, Number value) {
        head(name, type, help);
        add("{}_{}{{{}}} {}\n", prefix_, name, labels_, value);
    }
    template <class Value>
    void each_worker(std::string_view name, std::string_view type, std::string_view help, std::vector<worker_metrics> const& workers,
                     Value value) {
        head(name, type, help);
        for (std::size_t i = 0; i < workers.size(); ++i)
            add("{}_{}{{{},worker=\"{}\"}} {}\n", prefix_, name, labels_, i, value(workers[i]));
    }
    void distribution(std::string_view name, std::string_view help, time_histogram const& h) {
        head(name, "histogram", help);
        std::uint64_t below = 0;
        for (std::size_t i = 0; i < h.counts.size(); ++i) {
            below += h.counts[i];
            std::string const bound = i < h.bounds.size() ? fmt::format("{:.9g}", h.bounds[i]) : "+Inf";
            add("{}_{}_bucket{{{},le=\"{}\"}} {}\n", prefix_, name, labels_, bound, below);
        }
        add("{}_{}_sum{{{}}} {:.9g}\n", prefix_, name, labels_, h.sum);
        add("{}_{}_count{{{}}} {}\n", prefix_, name, labels_, h.count);
    }
    std::string take() { return std::move(text_); }

private:
    template <class... Arguments>
    void add(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
        fmt::format_to(std::back_inserter(text_), format, std::forward<Arguments>(arguments)...);
    }
    void head(std::string_view name, std::string_view type, std::string_view help) {
        add("# HELP {}_{} {}\n# TYPE {}_{} {}\n", prefix_, name, help, prefix_, name, type);
    }

    std::string_view prefix_;
    std::string labels_;
    std::string text_;
};

double seconds(std::chrono::nanoseconds d) { return std::chrono::duration<double>(d).count(); }

} // namespace

std::string runtime_metrics::prometheus(std::string_view prefix) const {
    prometheus_writer out(prefix, name);
    out.one("tasks_spawned_total", "counter", "Tasks that were made.", tasks_spawned);
    out.one("tasks_completed_total", "counter", "Tasks that have ended, in whatever way.", tasks_completed);
    out.one("tasks_cancelled_total", "counter", "Tasks that have ended by cancellation.", tasks_cancelled);
    out.one("tasks_failed_total", "counter", "Tasks that have ended by an exception.", tasks_failed);
    out.one("tasks_alive", "gauge", "Tasks that have not ended.", tasks_alive);
    out.each_worker("worker_steps_total", "counter", "Pieces of work taken from a queue.", workers, [](auto const& w) { return w.steps; });
    out.each_worker("worker_steals_total", "counter", "Thefts from other workers.", workers, [](auto const& w) { return w.steals; });
    out.each_worker("worker_stolen_total", "counter", "Work stolen from other workers.", workers, [](auto const& w) { return w.stolen; });
    out.each_worker("worker_parks_total", "counter", "How often the worker fell asleep.", workers, [](auto const& w) { return w.parks; });
    out.each_worker("worker_ready", "gauge", "Woken tasks in the worker's queue.", workers, [](auto const& w) { return w.ready; });
    out.each_worker("worker_busy_seconds_total", "counter", "Time awake.", workers, [](auto const& w) { return seconds(w.busy); });
    out.each_worker("worker_idle_seconds_total", "counter", "Time asleep.", workers, [](auto const& w) { return seconds(w.idle); });
    out.one("injected", "gauge", "Work from other threads that no worker has taken.", injected);
    out.one("timers", "gauge", "Timers that are armed.", timers);
    out.one("blocking_threads", "gauge", "Threads of the blocking pool.", blocking_threads);
    out.one("blocking_queued", "gauge", "Calls that wait for a thread of the blocking pool.", blocking_queued);
    out.one("cpu_threads", "gauge", "Threads of the CPU pool.", cpu_threads);
    out.one("cpu_jobs", "gauge", "Calls in the CPU pool, queued or running.", cpu_jobs);
    out.one("cpu_queued", "gauge", "Calls that wait for a thread of the CPU pool.", cpu_queued);
    if (scheduling_delay)
        out.distribution("scheduling_delay_seconds", "From being woken until running.", *scheduling_delay);
    if (step_time)
        out.distribution("step_seconds", "How long steps take.", *step_time);
    return out.take();
}

runtime_metrics runtime::metrics() const { return core_->read_metrics(); }

namespace detail {

runtime_metrics runtime_core::read_metrics() const {
    runtime_metrics m;
    m.name = options_.name;
    task_registry::counts const tasks = scheduler_->registry().count();
    m.tasks_spawned = tasks.added;
    m.tasks_alive = tasks.alive;
    m.tasks_completed = tasks.added - tasks.alive;
    m.tasks_cancelled = tasks.cancelled;
    m.tasks_failed = tasks.failed;
    if (pool_ != nullptr)
        pool_->read_metrics(m);
    else
        loop_->read_metrics(m);
    if (blocking_pool* const made = blocking_published_.load())
        made->read_metrics(m);
    if (cpu_pool* const made = cpu_published_.load())
        made->read_metrics(m);
    if (measured_) {
        m.scheduling_delay = delays_.read();
        m.step_time = step_times_.read();
    }
    return m;
}

} // namespace detail

} // namespace aya::inline v1
