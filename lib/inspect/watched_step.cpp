// SPDX-License-Identifier: Apache-2.0
// A step of a runtime that somebody looks at: debug mode, histograms, a trace.
#include "executors/current_thread.hpp"
#include "executors/runtime_core.hpp"
#include "inspect/function_name.hpp"
#include "task/snapshot.hpp"

#include <fmt/format.h>

#include <chrono>
#include <new>
#include <string>

namespace aya::inline v1::detail {

namespace {

std::string place(std::source_location const& where) {
    if (where.line() == 0)
        return {};
    return fmt::format("  resumed in {} ({}:{})\n", function_name(where.function_name()), file_name(where.file_name()), where.line());
}

} // namespace

void runtime_core::run_watched(ready& r, ready::function step) noexcept {
    running_step mine;
    mine.task = task_state::behind(r); // it may end meanwhile
    if (mine.task)
        mine.resumed = task_inspector::resume_place(*mine.task);
    if (thread_context const* const here = current_thread; here != nullptr && here->home == scheduler_ && pool_ != nullptr)
        mine.worker = here->index;
    if (measured_ && measure_delay(r)) {
        step(r);
        return;
    }
    mine.begin = std::chrono::steady_clock::now();
    if (debug_)
        steps_.add(mine);
    step(r); // `r` may be gone now
    auto const end = std::chrono::steady_clock::now();
    if (debug_) {
        steps_.remove(mine);
        if (mine.task)
            task_inspector::note_step(*mine.task, clock_.now().time_since_epoch().count());
    }
    if (measured_)
        step_times_.add(end - mine.begin);
    if (tracer* const t = tracing())
        t->step(mine.task.get(), mine.begin, end);
    std::chrono::duration<double> const taken = end - mine.begin;
    if (!debug_ || taken < options_.slow_callback_duration)
        return;
    try {
        std::string const what = fmt::format("Executing a {} took {:.3f} seconds", mine.task ? "step" : "callback", taken.count());
        exception_report report{what, mine.task ? mine.task->name() : std::string(), nullptr};
        if (mine.task) {
            report.created = mine.task->created();
            report.stack = place(mine.resumed);
        }
        reports_->report(report);
    } catch (std::bad_alloc const&) {
        // No memory to tell with.
    }
}

void runtime_core::report_overdue_steps() {
    // Steps that are over before anybody can look are reported when they end.
    if (options_.slow_callback_duration < std::chrono::milliseconds(1))
        return;
    for (auto const& s : steps_.overdue(options_.slow_callback_duration)) {
        std::string const who = s.worker == running_step::no_worker ? std::string("its thread") : fmt::format("worker {}", s.worker);
        std::string const what =
            fmt::format("A {} has held {} for {:.3f} seconds and still runs", s.task ? "step" : "callback", who, s.taken.count());
        exception_report report{what, s.task ? s.task->name() : std::string(), nullptr};
        if (s.task) {
            report.created = s.task->created();
            report.stack = place(s.resumed);
        }
        reports_->report(report);
    }
}

// A probe waits behind what is ready on this thread, as any task does that is woken now: so nothing has to be written down for each of those.
// True if `r` is one.
bool runtime_core::measure_delay(ready& r) noexcept {
    if (r.run == &delay_probe::turn) {
        delays_.add(std::chrono::steady_clock::now() - static_cast<delay_probe&>(r).queued);
        return true;
    }
    if (!delay_probe_.busy.exchange(true)) {
        delay_probe_.queued = std::chrono::steady_clock::now();
        scheduler_->schedule(delay_probe_);
    }
    return false;
}


} // namespace aya::inline v1::detail
