// SPDX-License-Identifier: Apache-2.0
// Unix signals as callbacks. This header includes no Boost.
#pragma once

#include <memory>
#include <utility>

namespace aya::inline v1::io {

namespace detail {

struct signal_callback {
    virtual ~signal_callback() = default;
    virtual void call() = 0;
};

template <class F>
struct stored_signal_callback final : signal_callback {
    explicit stored_signal_callback(F f) : function(std::move(f)) {}
    void call() override { function(); }
    F function;
};

void add_signal_handler(int number, std::shared_ptr<signal_callback> callback);

} // namespace detail

/// Calls `f()` each time the signal comes, as call_soon() does: later, outside the signal handler, one callback of the runtime at a time. A second call for
/// the same signal replaces the callback. In a task; any thread, unlike asyncio's. Until it is removed, or the runtime ends.
/// Throws std::invalid_argument for a number that is no signal's, invalid_state_error for SIGKILL and SIGSTOP.
/// Mirrors loop.add_signal_handler().
template <class F>
void add_signal_handler(int number, F f) {
    detail::add_signal_handler(number, std::make_shared<detail::stored_signal_callback<F>>(std::move(f)));
}

/// The signal has the effect again that it had before, once no runtime of the process handles it. False when there was no callback. One that has not begun yet does
/// not run any more; another worker may be in the middle of it.
bool remove_signal_handler(int number);

} // namespace aya::inline v1::io
