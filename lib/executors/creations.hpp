// SPDX-License-Identifier: Apache-2.0
// Where coroutines are made, in debug mode.
#pragma once

#include "platform/stack_trace.hpp"

namespace aya::inline v1::detail {

/// Of a coroutine that has not started; null if that is not known. Any thread.
[[nodiscard]] stack_trace const* creation_of(void const* frame) noexcept;

/// Around a fork(), so that the child can go on with them.
void lock_creations() noexcept;
void unlock_creations() noexcept;

} // namespace aya::inline v1::detail
