// SPDX-License-Identifier: Apache-2.0
#include "platform/wake_descriptor.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <system_error>

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

namespace aya::inline v1::detail {

wake_descriptor::wake_descriptor()
    : event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), timer_(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)),
      all_(::epoll_create1(EPOLL_CLOEXEC)) {
    epoll_event readable{};
    readable.events = EPOLLIN;
    if (event_ >= 0 && timer_ >= 0 && all_ >= 0 && ::epoll_ctl(all_, EPOLL_CTL_ADD, event_, &readable) == 0 &&
        ::epoll_ctl(all_, EPOLL_CTL_ADD, timer_, &readable) == 0)
        return;
    std::system_error const failure(errno, std::generic_category(), "aya::runtime: a descriptor for the host's main loop");
    close();
    throw failure;
}

wake_descriptor::~wake_descriptor() { close(); }

void wake_descriptor::close() noexcept {
    for (int const descriptor : {all_, timer_, event_})
        if (descriptor >= 0)
            ::close(descriptor);
}

void wake_descriptor::raise() noexcept {
    std::uint64_t const one = 1;
    (void)!::write(event_, &one, sizeof one); // fails when it is raised to the top already
}

void wake_descriptor::lower() noexcept {
    std::uint64_t count = 0;
    (void)!::read(event_, &count, sizeof count); // fails when it is not raised
}

void wake_descriptor::set_alarm(time_point t) noexcept {
    if (t == alarm_)
        return; // one that went off is readable still
    alarm_ = t;
    itimerspec when{};
    if (t != time_point::max()) {
        auto const since_boot = std::max<std::int64_t>(t.time_since_epoch().count(), 1); // zero would be no alarm
        when.it_value.tv_sec = since_boot / 1'000'000'000;
        when.it_value.tv_nsec = since_boot % 1'000'000'000;
    }
    (void)::timerfd_settime(timer_, TFD_TIMER_ABSTIME, &when, nullptr); // makes one that went off quiet, too
}

} // namespace aya::inline v1::detail
