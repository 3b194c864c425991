// SPDX-License-Identifier: Apache-2.0
// A protocol, how it is set up, and the mutants of it that must be caught. README.md beside this file lists them.
#pragma once

#include "on_model.hpp"

#include <functional>
#include <vector>

namespace model {

using check = std::function<void()>; // what must hold at the end of an execution

struct scenario {
    char const* name;
    check (*setup)(explorer&);
    std::vector<mutant> mutants;
};

/// What of lib/ and include/ runs as it is.
std::vector<scenario> production_scenarios();
/// Small models of what needs more than headers.
std::vector<scenario> protocol_scenarios();

} // namespace model
