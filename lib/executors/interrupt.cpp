// SPDX-License-Identifier: Apache-2.0
// Ctrl-C in run(): the signal handler only writes to a descriptor; a thread that waits there cancels the main task.
#include "platform/resting_thread.hpp"

#include <aya/run.hpp>

#include <atomic>
#include <csignal>
#include <cstdint>
#include <system_error>
#include <thread>

#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace aya::inline v1::detail {

namespace {

// Made once and never closed: a handler that has been preempted must not write to somebody else's descriptor.
std::atomic<int> signal_descriptor{-1};
static_assert(std::atomic<int>::is_always_lock_free, "a signal handler may use it");
std::atomic<bool> in_charge{false}; // a run() waits for SIGINT

void on_interrupt(int) {
    int const saved = errno;
    std::uint64_t const one = 1;
    int const fd = signal_descriptor.load();
    if (fd >= 0)
        (void)!::write(fd, &one, sizeof one);
    errno = saved;
}

} // namespace

struct interrupt_guard::watch {
    explicit watch(handle_base const& main) : task(state_reference::share(*handle_access::checked(main))) {}

    static std::uint64_t next_signals() noexcept {
        resting_thread const asleep;
        std::uint64_t count = 0;
        return ::read(signal_descriptor.load(), &count, sizeof count) == sizeof count ? count : 0;
    }

    void run() {
        for (;;) {
            std::uint64_t const count = next_signals();
            if (count == 0)
                continue; // interrupted by another signal
            if (stop.load()) {
                late = late || count > 1;
                return;
            }
            if (interrupted.exchange(true) || count > 1) {
                // The second one: the program does not react, so the default action takes over; also where only one of its threads takes signals.
                ::signal(SIGINT, SIG_DFL);
                sigset_t interrupt;
                sigemptyset(&interrupt);
                sigaddset(&interrupt, SIGINT);
                ::pthread_sigmask(SIG_UNBLOCK, &interrupt, nullptr);
                ::raise(SIGINT);
            }
            late = !task->cancel("interrupted");
        }
    }

    state_reference task;
    struct sigaction previous {};
    std::atomic<bool> stop{false};
    std::atomic<bool> interrupted{false};
    bool late = false; // it came when the task was done; for whoever has joined the thread
    std::thread thread;
};

interrupt_guard::interrupt_guard(handle_base const& main) {
    struct sigaction current {};
    if (::sigaction(SIGINT, nullptr, &current) != 0 || (current.sa_flags & SA_SIGINFO) != 0 ||
        current.sa_handler != SIG_DFL)
        return; // the program has its own idea of Ctrl-C
    auto w = std::make_unique<watch>(main);
    if (in_charge.exchange(true))
        return; // another run() is
    if (signal_descriptor.load() < 0)
        signal_descriptor.store(::eventfd(0, EFD_CLOEXEC));
    if (signal_descriptor.load() < 0) {
        in_charge.store(false);
        throw std::system_error(errno, std::generic_category(), "aya::run: eventfd");
    }
    try {
        w->thread = std::thread([raw = w.get()] { raw->run(); });
    } catch (...) {
        in_charge.store(false);
        throw;
    }
    struct sigaction mine {};
    mine.sa_handler = &on_interrupt;
    mine.sa_flags = SA_RESTART;
    sigemptyset(&mine.sa_mask);
    ::sigaction(SIGINT, &mine, &w->previous);
    watch_ = std::move(w);
}

interrupt_guard::~interrupt_guard() { stop(); }

void interrupt_guard::stop() noexcept {
    if (watch_ == nullptr || watch_->stop.exchange(true))
        return;
    ::sigaction(SIGINT, &watch_->previous, nullptr);
    std::uint64_t const one = 1;
    (void)!::write(signal_descriptor.load(), &one, sizeof one);
    watch_->thread.join();
    in_charge.store(false);
}

void interrupt_guard::rethrow(handle_base const& main) {
    stop();
    if (watch_ == nullptr)
        return;
    if (watch_->late)
        throw keyboard_interrupt();
    // Only if nobody else asked as well: then it is that request's cancellation.
    if (watch_->interrupted.load() && main.cancelled() && main.uncancel() == 0)
        throw keyboard_interrupt();
}

} // namespace aya::inline v1::detail
