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
    limits bounds = {};
};

/// What of lib/ and include/ runs as it is.
std::vector<scenario> production_scenarios();
/// Small models of protocols, some of whose steps a mutant can leave out.
std::vector<scenario> protocol_scenarios();
/// Whole tasks. Called before the first exploration; the explorer has to be prepared for them.
std::vector<scenario> task_scenarios();
void prepare_tasks(explorer& e);

} // namespace model
