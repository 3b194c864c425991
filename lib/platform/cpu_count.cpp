// SPDX-License-Identifier: Apache-2.0
#include "platform/cpu_count.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <sstream>
#include <thread>

#include <sched.h>

namespace aya::inline v1::detail {

namespace {

std::string read_file(std::string const& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::size_t cpus_of(long long quota, long long period) {
    if (quota <= 0 || period <= 0)
        return 0;
    return static_cast<std::size_t>((quota + period - 1) / period);
}

// cpu.max holds "QUOTA PERIOD" or "max PERIOD".
std::size_t limit_v2(std::string const& folder) {
    std::istringstream text(read_file(folder + "/cpu.max"));
    long long quota = 0;
    long long period = 0;
    return text >> quota >> period ? cpus_of(quota, period) : 0;
}

std::size_t limit_v1(std::string const& folder) {
    std::istringstream quota_text(read_file(folder + "/cpu.cfs_quota_us"));
    std::istringstream period_text(read_file(folder + "/cpu.cfs_period_us"));
    long long quota = 0;
    long long period = 0;
    return quota_text >> quota && period_text >> period ? cpus_of(quota, period) : 0;
}

// The smallest limit from `group` up to the root of the hierarchy: an outer group's quota binds too.
template <class Limit>
std::size_t tightest(std::string const& mount, std::string group, Limit limit) {
    std::size_t result = 0;
    for (;;) {
        if (std::size_t const here = limit(mount + group); here != 0)
            result = result == 0 ? here : std::min(result, here);
        if (group.empty() || group == "/")
            return result;
        group.resize(group.rfind('/'));
    }
}

} // namespace

std::size_t cgroup_cpu_limit(std::string const& self_cgroup, std::string const& root) {
    std::istringstream lines(self_cgroup);
    std::size_t result = 0;
    for (std::string line; std::getline(lines, line);) {
        // hierarchy-ID:controllers:path
        std::size_t const first = line.find(':');
        std::size_t const second = first == std::string::npos ? first : line.find(':', first + 1);
        if (second == std::string::npos)
            continue;
        std::string const controllers = fmt::format(",{},", line.substr(first + 1, second - first - 1));
        std::string const group = line.substr(second + 1);
        std::size_t here = 0;
        if (controllers == ",,")
            here = tightest(root, group, limit_v2);
        else if (controllers.find(",cpu,") != std::string::npos)
            here = tightest(root + "/cpu", group, limit_v1);
        if (here != 0)
            result = result == 0 ? here : std::min(result, here);
    }
    return result;
}

std::size_t usable_cpu_count() {
    std::size_t count = std::max(1U, std::thread::hardware_concurrency());
    cpu_set_t mask;
    if (sched_getaffinity(0, sizeof mask, &mask) == 0)
        count = static_cast<std::size_t>(std::max(1, CPU_COUNT(&mask)));
    if (std::size_t const limit = cgroup_cpu_limit(read_file("/proc/self/cgroup"), "/sys/fs/cgroup"); limit != 0)
        count = std::min(count, limit);
    return count;
}

} // namespace aya::inline v1::detail
