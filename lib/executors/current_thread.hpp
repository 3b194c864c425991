// SPDX-License-Identifier: Apache-2.0
// Who the calling thread is: set by a scheduler around its loop.
#pragma once

#include <aya/detail/scheduler.hpp>

namespace aya::inline v1::detail {

/// What this_thread() gives. Read it directly only in functions of the library that no coroutine can have inlined.
extern constinit thread_local thread_context* current_thread;

void enter_thread(thread_context& context) noexcept;
void leave_thread() noexcept;

} // namespace aya::inline v1::detail
