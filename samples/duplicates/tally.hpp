// SPDX-License-Identifier: Apache-2.0
// What the run met on its way: counters every stage adds to, and the names of what it could not use.
#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>

namespace duplicates {

enum class skipped : unsigned {
    unreadable_directory,
    unreadable_file,
    vanished,         // there during the walk, gone when it was to be read
    changed,          // not the size it had during the walk
    symbolic_link,    // never followed, unless named on the command line
    special,          // fifos, sockets, devices
    seen_directory,   // reached before on another way: overlapping arguments, bind mounts
    hard_link,        // another name of a file already known
    count
};

std::string_view describe(skipped why);

class tally {
public:
    explicit tally(bool verbose) : verbose_(verbose) {}

    void skip(skipped why, std::string_view path, int error = 0);
    bool verbose() const { return verbose_; }
    std::uint64_t skips(skipped why) const { return skipped_[static_cast<unsigned>(why)].load(relaxed); }

    // Relaxed counters: each is read on its own, for the progress line and the summary.
    static constexpr auto relaxed = std::memory_order_relaxed;
    std::atomic<std::uint64_t> files{0};       // regular files met by the walk
    std::atomic<std::uint64_t> candidates{0};  // of a size that another file has too
    std::atomic<std::uint64_t> expected{0};    // bytes that have to be read, as far as known
    std::atomic<std::uint64_t> bytes{0};       // bytes read
    std::atomic<bool> walk_done{false};

    // Set once, when the user interrupts: jobs on a pool look at it every few hundred kilobytes.
    std::atomic<bool> stop{false};
    bool stopped() const { return stop.load(relaxed); }

private:
    bool verbose_;
    std::atomic<std::uint64_t> skipped_[static_cast<unsigned>(skipped::count)]{};
};

}  // namespace duplicates
