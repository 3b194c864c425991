// SPDX-License-Identifier: Apache-2.0
// A descriptor that is readable while it is raised, and from an alarm's time on: for main loops that wait for descriptors.
#pragma once

#include <aya/time.hpp>

namespace aya::inline v1::detail {

class wake_descriptor {
public:
    /// Throws std::system_error when there is no descriptor to be had.
    wake_descriptor();
    ~wake_descriptor();
    wake_descriptor(wake_descriptor const&) = delete;
    wake_descriptor& operator=(wake_descriptor const&) = delete;

    /// To wait for, not to read.
    [[nodiscard]] int get() const noexcept { return all_; }

    /// Any thread.
    void raise() noexcept;
    void lower() noexcept;

    /// Replaces the alarm; time_point::max() for none. One thread at a time.
    void set_alarm(time_point t) noexcept;

private:
    void close() noexcept;

    int event_ = -1;
    int timer_ = -1;
    int all_ = -1; // an epoll instance of both
    time_point alarm_ = time_point::max();
};

} // namespace aya::inline v1::detail
