// SPDX-License-Identifier: Apache-2.0
// The list of groups on standard output, and the summary on standard error.
#pragma once

#include "groups.hpp"
#include "options.hpp"
#include "tally.hpp"

#include <vector>

namespace duplicates {

// Throws std::system_error if it cannot be written.
void print(std::vector<result> const& results, output_format format);

void print_summary(std::vector<result> const& results, tally const& counts, double seconds);

}  // namespace duplicates
