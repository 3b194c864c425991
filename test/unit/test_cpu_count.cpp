// SPDX-License-Identifier: Apache-2.0
#include "platform/cpu_count.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include <sched.h>

namespace {

using aya::detail::cgroup_cpu_limit;
namespace fs = std::filesystem;

// A file tree as the kernel shows it, in a folder of its own.
class fake_cgroups {
public:
    fake_cgroups() {
        std::string pattern = (fs::temp_directory_path() / "aya-cgroup-XXXXXX").string();
        if (::mkdtemp(pattern.data()) == nullptr)
            throw std::runtime_error("mkdtemp");
        root_ = pattern;
    }
    ~fake_cgroups() { fs::remove_all(root_); }
    fake_cgroups(fake_cgroups const&) = delete;
    fake_cgroups& operator=(fake_cgroups const&) = delete;

    void write(std::string const& path, std::string const& text) {
        fs::path const full = root_ + path;
        fs::create_directories(full.parent_path());
        std::ofstream(full) << text << '\n';
    }
    [[nodiscard]] std::string const& root() const { return root_; }

private:
    std::string root_;
};

} // namespace

TEST_CASE("cpu_count: cgroup v2, a quota of the group itself, rounded up") {
    fake_cgroups tree;
    tree.write("/job/cpu.max", "250000 100000");
    CHECK(cgroup_cpu_limit("0::/job\n", tree.root()) == 3);
    tree.write("/job/cpu.max", "50000 100000");
    CHECK(cgroup_cpu_limit("0::/job\n", tree.root()) == 1);
    tree.write("/job/cpu.max", "200000 100000");
    CHECK(cgroup_cpu_limit("0::/job\n", tree.root()) == 2);
}

TEST_CASE("cpu_count: cgroup v2, \"max\" and missing files mean no limit") {
    fake_cgroups tree;
    CHECK(cgroup_cpu_limit("0::/job\n", tree.root()) == 0);
    tree.write("/job/cpu.max", "max 100000");
    CHECK(cgroup_cpu_limit("0::/job\n", tree.root()) == 0);
}

TEST_CASE("cpu_count: cgroup v2, the tightest level counts, inside or outside") {
    fake_cgroups tree;
    tree.write("/a/cpu.max", "200000 100000");
    tree.write("/a/b/cpu.max", "800000 100000");
    tree.write("/a/b/c/cpu.max", "max 100000");
    CHECK(cgroup_cpu_limit("0::/a/b/c\n", tree.root()) == 2);
    tree.write("/a/b/c/cpu.max", "100000 100000");
    CHECK(cgroup_cpu_limit("0::/a/b/c\n", tree.root()) == 1);
    tree.write("/cpu.max", "400000 100000");
    CHECK(cgroup_cpu_limit("0::/\n", tree.root()) == 4);
}

TEST_CASE("cpu_count: cgroup v1, quota over period, -1 for none, the cpu controller among others") {
    fake_cgroups tree;
    tree.write("/cpu/job/cpu.cfs_quota_us", "150000");
    tree.write("/cpu/job/cpu.cfs_period_us", "100000");
    CHECK(cgroup_cpu_limit("4:cpu,cpuacct:/job\n", tree.root()) == 2);
    CHECK(cgroup_cpu_limit("7:memory:/job\n4:cpuacct,cpu:/job\n", tree.root()) == 2);
    CHECK(cgroup_cpu_limit("7:memory:/job\n", tree.root()) == 0);
    CHECK(cgroup_cpu_limit("7:cpuset:/job\n", tree.root()) == 0);
    tree.write("/cpu/job/cpu.cfs_quota_us", "-1");
    CHECK(cgroup_cpu_limit("4:cpu:/job\n", tree.root()) == 0);
}

TEST_CASE("cpu_count: a machine with both versions takes the tighter one") {
    fake_cgroups tree;
    tree.write("/cpu/job/cpu.cfs_quota_us", "300000");
    tree.write("/cpu/job/cpu.cfs_period_us", "100000");
    tree.write("/job/cpu.max", "500000 100000");
    CHECK(cgroup_cpu_limit("4:cpu:/job\n0::/job\n", tree.root()) == 3);
}

TEST_CASE("cpu_count: nonsense is no limit and no crash") {
    fake_cgroups tree;
    tree.write("/job/cpu.max", "abc def");
    tree.write("/zero/cpu.max", "0 0");
    CHECK(cgroup_cpu_limit("", tree.root()) == 0);
    CHECK(cgroup_cpu_limit("garbage\n:\n0:\n", tree.root()) == 0);
    CHECK(cgroup_cpu_limit("0::/job\n", tree.root()) == 0);
    CHECK(cgroup_cpu_limit("0::/zero\n", tree.root()) == 0);
}

TEST_CASE("cpu_count: at least one, and no more than the affinity mask allows") {
    cpu_set_t old;
    REQUIRE(sched_getaffinity(0, sizeof old, &old) == 0);
    std::size_t const all = aya::detail::usable_cpu_count();
    CHECK(all >= 1);
    CHECK(all <= static_cast<std::size_t>(CPU_COUNT(&old)));
    int first = 0;
    while (CPU_ISSET(first, &old) == 0)
        ++first;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    REQUIRE(sched_setaffinity(0, sizeof one, &one) == 0);
    std::size_t const restricted = aya::detail::usable_cpu_count();
    sched_setaffinity(0, sizeof old, &old);
    CHECK(restricted == 1);
}
