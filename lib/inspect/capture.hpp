// SPDX-License-Identifier: Apache-2.0
// The task tree of a scheduler.
#pragma once

#include <aya/detail/scheduler.hpp>
#include <aya/task_tree.hpp>

namespace aya::inline v1::detail {

/// As capture_tasks().
[[nodiscard]] task_tree capture(scheduler& home);

} // namespace aya::inline v1::detail
