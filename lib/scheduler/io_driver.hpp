// SPDX-License-Identifier: Apache-2.0
// What workers know of sockets: somewhere to wait for them in place of a futex, and to look from time to time. The I/O module implements it
// (lib/io/driver.hpp); a runtime that does no I/O has none.
//
// One thread at a time is inside. What has become ready wakes its task there, so the task goes into that worker's own queue.
#pragma once

#include "platform/futex.hpp"

#include <atomic>

namespace aya::inline v1::detail {

class io_driver : public sleeping_place {
public:
    virtual ~io_driver() = default;
    io_driver(io_driver const&) = delete;
    io_driver& operator=(io_driver const&) = delete;

    /// False while another thread is inside. Before poll() and wait().
    [[nodiscard]] bool try_enter() noexcept {
        // Relaxed: a first look that saves the exchange.
        return !inside_.load(std::memory_order_relaxed) && !inside_.exchange(true);
    }
    void leave() noexcept { inside_.store(false); }

    /// Wakes the tasks whose sockets are ready, without waiting.
    virtual void poll() noexcept = 0;

    /// poll(), unless another thread is inside.
    void poll_if_free() noexcept {
        if (try_enter()) {
            poll();
            leave();
        }
    }

protected:
    io_driver() = default;

private:
    std::atomic<bool> inside_{false};
};

} // namespace aya::inline v1::detail
