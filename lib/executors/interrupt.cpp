// SPDX-License-Identifier: Apache-2.0
// Ctrl-C in run(): the signal handler only writes to a descriptor; a thread that waits there cancels the main task.
#include <aya/run.hpp>

#include <atomic>
#include <csignal>
#include <cstdint>
#include <system_error>
#include <thread>

#include <sys/eventfd.h>
#include <unistd.h>

namespace aya::detail {

namespace {

std::atomic<int> signal_descriptor{-1}; // of the run() that is in charge
static_assert(std::atomic<int>::is_always_lock_free, "a signal handler may use it");

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

    void run() {
        for (;;) {
            std::uint64_t count = 0;
            if (::read(descriptor, &count, sizeof count) != sizeof count)
                continue; // interrupted by another signal
            if (stop.load())
                return;
            if (interrupted.exchange(true) || count > 1) {
                // The second one: the program does not react, so the default action takes over.
                ::signal(SIGINT, SIG_DFL);
                ::raise(SIGINT);
            }
            task->cancel("interrupted");
        }
    }

    state_reference task;
    int descriptor = -1;
    struct sigaction previous {};
    std::atomic<bool> stop{false};
    std::atomic<bool> interrupted{false};
    std::thread thread;
};

interrupt_guard::interrupt_guard(handle_base const& main) {
    struct sigaction current {};
    if (::sigaction(SIGINT, nullptr, &current) != 0 || (current.sa_flags & SA_SIGINFO) != 0 ||
        current.sa_handler != SIG_DFL)
        return; // the program has its own idea of Ctrl-C
    auto w = std::make_unique<watch>(main);
    w->descriptor = ::eventfd(0, EFD_CLOEXEC);
    if (w->descriptor < 0)
        throw std::system_error(errno, std::generic_category(), "aya::run: eventfd");
    int nobody = -1;
    if (!signal_descriptor.compare_exchange_strong(nobody, w->descriptor)) {
        ::close(w->descriptor);
        return; // another run() is in charge
    }
    try {
        w->thread = std::thread([raw = w.get()] { raw->run(); });
    } catch (...) {
        signal_descriptor.store(-1);
        ::close(w->descriptor);
        throw;
    }
    struct sigaction mine {};
    mine.sa_handler = &on_interrupt;
    mine.sa_flags = SA_RESTART;
    sigemptyset(&mine.sa_mask);
    ::sigaction(SIGINT, &mine, &w->previous);
    watch_ = std::move(w);
}

interrupt_guard::~interrupt_guard() {
    if (watch_ == nullptr)
        return;
    ::sigaction(SIGINT, &watch_->previous, nullptr);
    signal_descriptor.store(-1);
    watch_->stop.store(true);
    std::uint64_t const one = 1;
    (void)!::write(watch_->descriptor, &one, sizeof one);
    watch_->thread.join();
    ::close(watch_->descriptor);
}

void interrupt_guard::rethrow(handle_base const& main) const {
    if (watch_ == nullptr || !watch_->interrupted.load() || !main.cancelled())
        return;
    // Only if nobody else asked as well: then it is that request's cancellation.
    if (main.uncancel() == 0)
        throw keyboard_interrupt();
}

} // namespace aya::detail
