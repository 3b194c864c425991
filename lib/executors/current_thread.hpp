// SPDX-License-Identifier: Apache-2.0
// Who the calling thread is: set by a scheduler around its loop.
#pragma once

#include <aya/detail/scheduler.hpp>

namespace aya::inline v1::detail {

void enter_thread(thread_context& context) noexcept;
void leave_thread() noexcept;

} // namespace aya::inline v1::detail
