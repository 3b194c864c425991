// SPDX-License-Identifier: Apache-2.0
#include "tally.hpp"

#include "text.hpp"

#include <cstring>
#include <string>

#include <unistd.h>

namespace duplicates {

std::string_view describe(skipped why) {
    switch (why) {
    case skipped::unreadable_directory: return "unreadable directory";
    case skipped::unreadable_file: return "unreadable file";
    case skipped::vanished: return "vanished";
    case skipped::changed: return "changed while being read";
    case skipped::symbolic_link: return "symbolic link";
    case skipped::special: return "not a regular file";
    case skipped::seen_directory: return "directory seen before";
    case skipped::hard_link: return "another name of a file already listed";
    case skipped::count: break;
    }
    return "?";
}

void tally::skip(skipped why, std::string_view path, int error) {
    skipped_[static_cast<unsigned>(why)].fetch_add(1, relaxed);
    if (!verbose_) {
        return;
    }
    std::string line = "duplicates: ";
    append_quoted(line, path);
    line.append(": ").append(describe(why));
    if (error != 0) {
        line.append(" (").append(strerrordesc_np(error)).append(")");
    }
    line.push_back('\n');
    // One write a line, so that lines of different threads do not mix. A failure to complain is no reason to
    // stop.
    [[maybe_unused]] auto const written = write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace duplicates
