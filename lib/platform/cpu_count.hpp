// SPDX-License-Identifier: Apache-2.0
// How many threads can really run at once here.
#pragma once

#include <cstddef>
#include <string>

namespace aya::inline v1::detail {

/// The smaller of the affinity mask and the cgroup quota (versions 1 and 2, every level), rounded up; at least 1.
[[nodiscard]] std::size_t usable_cpu_count();

/// The quota part alone: CPUs that the cgroup named in `self_cgroup` (the text of /proc/self/cgroup) may use, given the file
/// tree mounted at `root`; 0 when there is no limit.
[[nodiscard]] std::size_t cgroup_cpu_limit(std::string const& self_cgroup, std::string const& root);

} // namespace aya::inline v1::detail
