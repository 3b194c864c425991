// SPDX-License-Identifier: Apache-2.0
#include "inspect/inspector.hpp"

#include "executors/creations.hpp"
#include "executors/debug_mode.hpp"
#include "executors/runtime_core.hpp"
#include "inspect/capture.hpp"
#include "inspect/inspection_socket.hpp"
#include "inspect/json.hpp"
#include "platform/resting_thread.hpp"

#include <aya/detail/spin_lock.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <new>
#include <system_error>
#include <utility>

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace aya::inline v1::detail {

namespace {

constexpr std::uint64_t dump_request = 1;
constexpr std::uint64_t stop_request = std::uint64_t{1} << 32;

// Whom a signal wakes: process, signal and descriptor in one word; 0 is a free place, taken by a compare-exchange.
constinit std::array<std::atomic<std::uint64_t>, 64> listeners{};
constinit std::atomic<int> handlers{0}; // that look at it now
static_assert(std::atomic<std::uint64_t>::is_always_lock_free && std::atomic<int>::is_always_lock_free, "a signal handler may use them");

constexpr std::uint64_t listener(pid_t process, int signal, int descriptor) noexcept {
    return static_cast<std::uint64_t>(process) << 38 | static_cast<std::uint64_t>(signal) << 31 | static_cast<std::uint64_t>(descriptor);
}
constexpr int descriptor_of(std::uint64_t listener) noexcept { return static_cast<int>(listener & 0x7fff'ffff); }

void on_signal(int signal) {
    int const saved = errno;
    handlers.fetch_add(1);
    std::uint64_t const mine = listener(::getpid(), signal, 0); // the child of a fork() has its parent's descriptors
    for (auto const& place : listeners)
        if (std::uint64_t const l = place.load(); l >> 31 == mine >> 31)
            (void)!::write(descriptor_of(l), &dump_request, sizeof dump_request);
    handlers.fetch_sub(1);
    errno = saved;
}

} // namespace

void catch_dump_signal(int signal) {
    struct sigaction action {};
    action.sa_handler = &on_signal;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    if (::sigaction(signal, &action, nullptr) != 0)
        throw std::system_error(errno, std::generic_category(), fmt::format("aya::runtime_options::dump_signal: {}", signal));
}

void forget_listeners() noexcept {
    for (auto& place : listeners)
        place.store(0);
    handlers.store(0); // those of other threads did not come along
}

inspector::inspector(runtime_core& core, tasks what) : core_(core), what_(what) {
    if (what_.answer) {
        try {
            socket_ = std::make_unique<inspection_socket>();
        } catch (...) {
            core_.reports()->report({"The runtime has no inspection socket", {}, std::current_exception()});
        }
    }
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
    if (what_.signal != 0)
        listen_to_signal();
}

inspector::~inspector() {
    forget_signal();
    stopping_.store(true);
    (void)!::write(wake_, &stop_request, sizeof stop_request);
    thread_.join();
    ::close(wake_);
}

void inspector::listen_to_signal() {
    for (auto& place : listeners) {
        std::uint64_t expected = 0;
        if (place.compare_exchange_strong(expected, listener(::getpid(), what_.signal, wake_))) {
            place_ = &place;
            return;
        }
    }
    try {
        core_.reports()->report({fmt::format("The dump signal is for no more than {} runtimes of a process at a time, and not for this one", listeners.size()),
                                 {}, nullptr});
    } catch (std::bad_alloc const&) {
        // No memory to tell with.
    }
}

void inspector::forget_signal() noexcept {
    if (place_ == nullptr)
        return;
    place_->store(0);
    // A handler on another thread may have found it, and must not write where something else is open by then.
    for (unsigned round = 0; handlers.load() != 0; ++round)
        relax(round);
}

namespace {

template <std::size_t Count>
int sleep(struct pollfd (&for_any)[Count], int milliseconds) noexcept {
    resting_thread const asleep;
    return ::poll(for_any, Count, milliseconds);
}

} // namespace

void inspector::run() noexcept {
    ::pthread_setname_np(::pthread_self(), "aya-inspect");
    // Twice as often as needed, so that a slow step is seen before it has taken half as long again.
    auto const half = std::chrono::duration_cast<std::chrono::milliseconds>(core_.slow_callback_duration() / 2);
    int const period = what_.watch_steps ? static_cast<int>(std::clamp<std::int64_t>(half.count(), 1, 1000)) : -1;
    while (!stopping_.load()) {
        struct pollfd both[2] = {{wake_, POLLIN, 0}, {socket_ == nullptr ? -1 : socket_->descriptor(), POLLIN, 0}};
        int const events = sleep(both, period);
        if (stopping_.load())
            return;
        try {
            if (events > 0 && (both[0].revents & POLLIN) != 0) {
                std::uint64_t count = 0;
                (void)!::read(wake_, &count, sizeof count);
                fmt::print(stderr, "{}", answer("text"));
            }
            if (events > 0 && (both[1].revents & POLLIN) != 0)
                if (auto caller = socket_->accept(stopping_))
                    caller.send(answer(caller.read_line()));
            if (what_.watch_steps)
                look();
        } catch (...) {
            // No memory: the next time, perhaps.
        }
    }
}

namespace {

// {"runtime": ..., and what is in `tree`
std::string json_of(std::string const& name, std::string const& tree) {
    json_writer out;
    out.begin_object().key("runtime").string(name);
    return fmt::format("{},{}\n", out.take(), tree.substr(1));
}

} // namespace

std::string inspector::answer(std::string_view request) const {
    if (request == "text")
        return fmt::format("runtime {}: {}", core_.name(), capture(core_.tasks()).text());
    if (request == "json")
        return json_of(core_.name(), capture(core_.tasks()).json());
    if (request == "metrics")
        return core_.read_metrics().prometheus();
    return "? text, json or metrics\n";
}

void inspector::look() {
    core_.report_overdue_steps();
    bool const at_rest = core_.at_rest();
    if (std::exchange(was_at_rest_, at_rest) && at_rest && !deadlock_reported_)
        look_for_deadlock();
}

// Futures, events, queues and the like are for any thread; a lock is held by a task, mostly.
inspector::helper inspector::helper_of(task_tree const& tree) {
    helper most = tree.tasks.empty() ? helper::world : helper::task;
    for (task_info const& t : tree.tasks) {
        helper needed = helper::task;
        if (t.phase == task_phase::future)
            needed = helper::any_thread;
        else if (t.phase != task_phase::waiting || t.from_outside)
            needed = helper::world;
        else if (t.awaits.empty())
            needed = t.waits_for.starts_with("mutex::lock") ? helper::task_or_lock_holder : helper::any_thread;
        most = std::min(most, needed);
    }
    return most;
}

// Whether there may be one, while all workers sleep.
bool inspector::has(helper h) const {
    switch (h) {
    case helper::world: return true;
    case helper::any_thread: return !core_.is_waited_for() || core_.others_live();
    case helper::task_or_lock_holder: return !core_.is_waited_for(); // what the host does instead may be what it holds the lock for
    case helper::task: break;
    }
    return false;
}

// Once for a runtime: what it is in, it stays in.
void inspector::look_for_deadlock() {
    constexpr unsigned often_enough = 32; // steps on executors are counted nowhere
    if (std::uint64_t const steps = core_.steps(); steps != steps_then_ || ++looks_since_ == often_enough) {
        helper_ = helper_of(capture(core_.tasks()));
        if (steps != steps_then_ && helper_ == helper::any_thread && core_.is_waited_for() && core_.others_live())
            core_.call_roll(); // for the next look
        steps_then_ = steps;
        looks_since_ = 0;
    }
    if (has(helper_))
        return;
    // All at once now: tasks, then threads, and nothing has moved meanwhile.
    task_tree const tree = capture(core_.tasks());
    helper_ = helper_of(tree);
    if (has(helper_) || !core_.at_rest() || core_.steps() != steps_then_)
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
    if (debug_)
        begin_noting(reports_);
    inspector::tasks what;
    what.watch_steps = debug_;
    what.answer = options_.inspection.value_or(inspection_environment());
    what.signal = options_.dump_signal;
    if (!what.watch_steps && !what.answer && what.signal == 0)
        return;
    try {
        if (what.signal != 0) // also if all else fails: it would end the program
            catch_dump_signal(what.signal);
    } catch (...) {
        reports_->report({"The dump signal cannot be caught", {}, std::current_exception()});
        what.signal = 0;
    }
    try {
        inspector_ = std::make_unique<inspector>(*this, what);
    } catch (...) {
        reports_->report({"Nobody can look into the runtime", {}, std::current_exception()});
    }
}

bool runtime_core::at_rest() noexcept { return pool_ != nullptr ? pool_->at_rest() : loop_->at_rest(); }

std::uint64_t runtime_core::steps() const noexcept { return pool_ != nullptr ? pool_->steps() : loop_->steps(); }

// The inspector, the workers and those that wait; pools' idle threads, and other watchdogs.
std::size_t runtime_core::resting_threads() const noexcept {
    blocking_pool* const blocking = blocking_published_.load();
    return 1 + (pool_ != nullptr ? pool_->running_workers() : 0) + clock_.waiting.load() + (blocking != nullptr ? blocking->idle_threads() : 0) +
           cpu_pool::idle_threads() + resting_thread::count();
}

void runtime_core::call_roll() noexcept {
    if (cpu_pool* const cpu = cpu_published_.load())
        cpu->call_roll();
}

// Another thread is counted as long as it lives, and only one that does something starts another one. An idle one that is given work, or ends, between
// the first count and the last changes it.
bool runtime_core::others_live() const {
    std::size_t const resting = resting_threads();
    std::error_code error;
    std::size_t all = 0;
    for (std::filesystem::directory_iterator i("/proc/self/task", error), end; !error && i != end; i.increment(error))
        ++all;
    return error || all != resting || resting_threads() != resting;
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
