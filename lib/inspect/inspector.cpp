// SPDX-License-Identifier: Apache-2.0
#include "inspect/inspector.hpp"

#include "executors/debug_mode.hpp"
#include "executors/runtime_core.hpp"
#include "inspect/capture.hpp"
#include "inspect/inspection_socket.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <system_error>

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace aya::inline v1::detail {

namespace {

constexpr std::uint64_t dump_request = 1;
constexpr std::uint64_t stop_request = std::uint64_t{1} << 32;

// The descriptors of the inspectors that a signal wakes, plus one; 0 is a free place, taken by a compare-exchange.
constinit std::array<std::atomic<int>, 16> signalled{};
static_assert(std::atomic<int>::is_always_lock_free, "a signal handler may use it");

void on_signal(int) {
    int const saved = errno;
    for (auto const& place : signalled)
        if (int const fd = place.load(); fd != 0)
            (void)!::write(fd - 1, &dump_request, sizeof dump_request);
    errno = saved;
}

} // namespace

inspector::inspector(runtime_core& core, tasks what) : core_(core), what_(what) {
    if (what_.answer)
        socket_ = std::make_unique<inspection_socket>();
    wake_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (wake_ < 0)
        throw std::system_error(errno, std::generic_category(), "aya: eventfd");
    sigset_t all, before;
    sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before); // the program's signals are for its own threads
    try {
        thread_ = std::thread([this] { run(); });
    } catch (...) {
        ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
        ::close(wake_);
        throw;
    }
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (what_.signal == 0)
        return;
    for (auto& place : signalled) {
        int expected = 0;
        if (place.compare_exchange_strong(expected, wake_ + 1))
            break;
    }
    struct sigaction action {};
    action.sa_handler = &on_signal;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    ::sigaction(what_.signal, &action, nullptr);
}

inspector::~inspector() {
    for (auto& place : signalled) {
        int expected = wake_ + 1;
        place.compare_exchange_strong(expected, 0);
    }
    stopping_.store(true);
    (void)!::write(wake_, &stop_request, sizeof stop_request);
    thread_.join();
    ::close(wake_);
}

void inspector::run() noexcept {
    ::pthread_setname_np(::pthread_self(), "aya-inspect");
    // Twice as often as needed, so that a slow step is seen before it has taken half as long again.
    auto const half = std::chrono::duration_cast<std::chrono::milliseconds>(core_.slow_callback_duration() / 2);
    int const period = what_.watch_steps ? static_cast<int>(std::clamp<std::int64_t>(half.count(), 1, 1000)) : -1;
    while (!stopping_.load()) {
        struct pollfd both[2] = {{wake_, POLLIN, 0}, {socket_ == nullptr ? -1 : socket_->descriptor(), POLLIN, 0}};
        int const events = ::poll(both, 2, period);
        if (stopping_.load())
            return;
        try {
            if (events > 0 && (both[0].revents & POLLIN) != 0) {
                std::uint64_t count = 0;
                (void)!::read(wake_, &count, sizeof count);
                fmt::print(stderr, "{}", answer("text"));
            }
            if (events > 0 && (both[1].revents & POLLIN) != 0)
                if (auto caller = socket_->accept())
                    caller.send(answer(caller.read_line()));
            if (what_.watch_steps)
                look();
        } catch (...) {
            // No memory: the next time, perhaps.
        }
    }
}

std::string inspector::answer(std::string_view request) const {
    if (request == "text")
        return fmt::format("runtime {}: {}", core_.name(), capture(core_.tasks()).text());
    if (request == "json")
        return capture(core_.tasks()).json() + "\n";
    if (request == "metrics")
        return core_.read_metrics().prometheus();
    return "? text, json or metrics\n";
}

void inspector::look() noexcept {
    core_.report_overdue_steps();
    bool const stuck = core_.stuck();
    if (stuck && was_stuck_ && !deadlock_reported_) {
        try {
            report_deadlock();
        } catch (std::bad_alloc const&) {
            // No memory to tell with.
        }
    }
    was_stuck_ = stuck;
}

// Once for a runtime: what it is in, it stays in, unless it was none.
void inspector::report_deadlock() {
    task_tree const tree = capture(core_.tasks());
    bool const waiting = std::all_of(tree.tasks.begin(), tree.tasks.end(), [](task_info const& t) {
        return t.phase == task_phase::future || (t.phase == task_phase::waiting && !t.from_outside);
    });
    if (tree.tasks.empty() || !waiting || !core_.stuck())
        return;
    deadlock_reported_ = true;
    std::string const who = tree.tasks.size() == 1 ? "All tasks are asleep: 1 waits"
                                                   : fmt::format("All tasks are asleep: {} wait for each other or", tree.tasks.size());
    std::string const what = who + " for what no task will do; only another thread could go on";
    exception_report report{what, {}, nullptr};
    report.stack = tree.text();
    core_.reports()->report(report);
}

// --- the runtime's side -------------------------------------------------------------------------------------------------

void runtime_core::start_inspection() {
    if (debug_ || measured_)
        scheduler_->watch(true);
    if (!trace_file_.empty())
        start_trace(65536);
    inspector::tasks what;
    what.watch_steps = debug_;
    what.answer = options_.inspection.value_or(inspection_environment());
    what.signal = options_.dump_signal;
    if (!what.watch_steps && !what.answer && what.signal == 0)
        return;
    try {
        inspector_ = std::make_unique<inspector>(*this, what);
    } catch (...) {
        reports_->report({"Nobody can look into the runtime", {}, std::current_exception()});
    }
}

bool runtime_core::stuck() noexcept {
    if (clock_.waiting.load() == 0) // no thread waits for a task: the host does something
        return false;
    return pool_ != nullptr ? pool_->at_rest() : loop_->at_rest();
}

void runtime_core::report_tasks_alive() noexcept {
    try {
        task_tree const tree = capture(*scheduler_);
        if (tree.tasks.empty())
            return;
        std::string const what = fmt::format("{} task{} at the end of the runtime; {} cancelled now", tree.tasks.size(),
                                             tree.tasks.size() == 1 ? " was alive" : "s were alive",
                                             tree.tasks.size() == 1 ? "it is" : "they are");
        exception_report report{what, {}, nullptr};
        report.stack = tree.text();
        reports_->report(report);
    } catch (std::bad_alloc const&) {
        // No memory to tell with.
    }
}

} // namespace aya::inline v1::detail
