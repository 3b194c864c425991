// SPDX-License-Identifier: Apache-2.0
// Where coroutines are made, in debug mode.
#pragma once

#include "platform/stack_trace.hpp"

#include <memory>

namespace aya::inline v1::detail {

class report_sink;

/// Around the life of a runtime in debug mode. From the first to the last one, coroutines are noted that threads make which no other
/// runtime has: the caller at once, others as soon as they need a block that they have not at hand.
void begin_noting(std::shared_ptr<report_sink> const& reports);
void end_noting(std::shared_ptr<report_sink> const& reports) noexcept;
/// Where a thread reports that no runtime has: of the last runtime in debug mode that was made; null if there is none. Any thread.
[[nodiscard]] std::shared_ptr<report_sink> debug_reports() noexcept;

/// Of a coroutine that has not started; null if that is not known. Any thread.
[[nodiscard]] stack_trace const* creation_of(void const* frame) noexcept;
/// The frame goes, and the next one there may be made unseen.
void forget_creation(void const* frame) noexcept;

/// Around a fork(), so that the child can go on with them.
void lock_creations() noexcept;
void unlock_creations() noexcept;
/// In the child: the runtimes are its parent's.
void forget_noting() noexcept;

} // namespace aya::inline v1::detail
