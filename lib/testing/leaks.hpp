// SPDX-License-Identifier: Apache-2.0
// What a test has left behind.
#pragma once

#include <map>
#include <string>

namespace aya::inline v1 {
class runtime;
}

namespace aya::inline v1::detail {

/// The process's open descriptors, and what they are.
[[nodiscard]] std::map<int, std::string> open_descriptors();

/// Empty if there are neither tasks nor timers. While no task runs.
[[nodiscard]] std::string leftovers(runtime& rt);

} // namespace aya::inline v1::detail
