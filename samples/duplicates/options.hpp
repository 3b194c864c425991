// SPDX-License-Identifier: Apache-2.0
// The command line.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace duplicates {

enum class output_format { plain, null_terminated, json };

struct options {
    std::vector<std::string> roots;
    output_format format = output_format::plain;
    std::uint64_t min_size = 1;
    std::size_t workers = 0;    // 0: one for each usable core
    bool single_loop = false;
    bool compare = true;
    bool hard_links = false;
    bool summary = false;
    bool verbose = false;
    bool help = false;
    unsigned hash_bits = 64;
};

class usage_error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

extern std::string_view const help_text;

// Throws usage_error.
options parse_options(int argc, char** argv);

}  // namespace duplicates
