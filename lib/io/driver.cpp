// SPDX-License-Identifier: Apache-2.0
#include "io/driver.hpp"

#include "executors/report_sink.hpp"
#include "executors/runtime_core.hpp"

#include <boost/system/system_error.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <memory>
#include <system_error>

#include <pthread.h>
#include <signal.h>
#include <sys/timerfd.h>
#include <unistd.h>

namespace aya::inline v1::detail {

namespace {

using std::chrono::steady_clock;

// How many handlers run before the worker looks at its other work.
constexpr std::size_t most_at_once = 256;

} // namespace

asio_driver::asio_driver(runtime_core& owner) : owner_(owner) {
    int const alarm = ::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (alarm < 0)
        throw std::system_error(errno, std::generic_category(), "aya::io: a descriptor for timers");
    alarm_.assign(alarm);
    watch_alarm();
    if (!owner.has_host())
        return;
    // Signals are the host's business: its threads take them.
    sigset_t all;
    sigset_t before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    try {
        thread_ = std::thread([this] {
            while (!context_->stopped())
                wait_until_stopped();
        });
    } catch (...) {
        ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
        throw;
    }
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

asio_driver::~asio_driver() {
    context_->stop();
    if (thread_.joinable())
        thread_.join();
}

asio_driver& asio_driver::of(runtime_core& owner) {
    try {
        return static_cast<asio_driver&>(owner.driver(
            [](runtime_core& r) -> std::unique_ptr<io_driver> { return std::make_unique<asio_driver>(r); }));
    } catch (boost::system::system_error const& e) { // which is no std::system_error
        throw std::system_error(e.code().value(), std::generic_category(), "aya::io: the runtime's I/O");
    }
}

// The host's thread runs handlers until the destructor stops it.
void asio_driver::wait_until_stopped() noexcept {
    try {
        context_->run();
    } catch (...) {
        report(std::current_exception());
    }
}

void asio_driver::poll() noexcept {
    if (context_->stopped()) // an interrupt that came too late for a wait
        context_->restart();
    poll_more();
}

void asio_driver::wait(time_point deadline) noexcept {
    // Not restarted before: an interrupt may have come just now, and would be lost.
    try {
        if (wait_for_first(deadline) != 0)
            poll_more();
    } catch (...) {
        report(std::current_exception());
    }
    if (context_->stopped())
        context_->restart();
}

std::size_t asio_driver::wait_for_first(time_point deadline) {
    if (deadline == time_point::max())
        return context_->run_one();
    auto const remaining = deadline - time_point(steady_clock::now());
    if (remaining <= duration::zero())
        return context_->poll_one();
    // Whole milliseconds need no alarm: the rest, if there is one, is the next wait's.
    if (remaining >= std::chrono::milliseconds(1) && remaining <= std::chrono::seconds(1))
        return context_->run_one_for(std::chrono::floor<std::chrono::milliseconds>(remaining));
    set_alarm(deadline);
    return context_->run_one();
}

void asio_driver::poll_more() noexcept {
    for (std::size_t n = 0; n < most_at_once; ++n) {
        try {
            if (context_->poll_one() == 0)
                return;
        } catch (...) {
            report(std::current_exception());
        }
    }
}

void asio_driver::set_alarm(time_point deadline) noexcept {
    auto const since_boot = std::max<std::int64_t>(deadline.time_since_epoch().count(), 1); // zero would be no alarm
    itimerspec when{};
    when.it_value.tv_sec = since_boot / 1'000'000'000;
    when.it_value.tv_nsec = since_boot % 1'000'000'000;
    (void)::timerfd_settime(alarm_.native_handle(), TFD_TIMER_ABSTIME, &when, nullptr);
}

void asio_driver::watch_alarm() {
    alarm_.async_wait(boost::asio::posix::descriptor_base::wait_read, [this](boost::system::error_code const& failed) {
        if (failed)
            return; // the context goes
        std::uint64_t times = 0;
        (void)!::read(alarm_.native_handle(), &times, sizeof times);
        watch_alarm();
    });
}

void asio_driver::report(std::exception_ptr error) noexcept {
    owner_.reports()->report({"Exception in a handler of an I/O operation", {}, error});
}

} // namespace aya::inline v1::detail
