// SPDX-License-Identifier: Apache-2.0
// The task tree of a scheduler.
#pragma once

#include <aya/detail/scheduler.hpp>
#include <aya/task_tree.hpp>

#include <string>
#include <string_view>

namespace aya::inline v1::detail {

/// As capture_tasks().
[[nodiscard]] task_tree capture(scheduler& home);

/// The lines of its stack, each behind `margin`.
void append_stack(task_info const& task, std::string_view margin, std::string& out);

} // namespace aya::inline v1::detail
