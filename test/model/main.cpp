// SPDX-License-Identifier: Apache-2.0
// Each protocol is clean within its bounds, and each planted mutant is caught.
#include "scenarios.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

// test_model [trace] [a part of protocols' names]; AYA_MODEL_SCHEDULES: how many random schedules of each
int main(int argc, char** argv) {
    bool const trace = argc > 1 && std::strcmp(argv[1], "trace") == 0;
    char const* const only = argc > 1 + trace ? argv[1 + trace] : "";
    unsigned wrong = 0, checks = 0;
    unsigned long executions = 0;
    model::explorer e;
    auto scenarios = model::production_scenarios();
    for (auto& s : model::task_scenarios())
        scenarios.push_back(std::move(s));
    for (auto& s : model::protocol_scenarios())
        scenarios.push_back(std::move(s));
    model::prepare_tasks(e);
    if (char const* const more = std::getenv("AYA_MODEL_SCHEDULES"))
        for (auto& s : scenarios)
            s.bounds.random = std::strtoul(more, nullptr, 10);
    for (model::scenario const& s : scenarios) {
        if (std::strstr(s.name, only) == nullptr)
            continue;
        auto const clean = e.explore(s.bounds, nullptr, s.setup);
        executions += clean.executions;
        ++checks;
        wrong += !clean.failure.empty();
        std::printf("%-36s %8lu executions%s %s\n%s", s.name, clean.executions, clean.exhausted ? ", all within the bounds" : "",
                    clean.failure.empty() ? "clean" : clean.failure.c_str(), clean.failure.empty() ? "" : clean.trace.c_str());
        for (model::mutant const& m : s.mutants) {
            auto const bad = e.explore(s.bounds, &m, s.setup);
            executions += bad.executions;
            ++checks;
            wrong += bad.failure.empty();
            std::printf("    %-34s %s (%lu)\n%s", m.name, bad.failure.empty() ? "NOT CAUGHT" : bad.failure.c_str(), bad.executions,
                        trace ? bad.trace.c_str() : "");
            std::fflush(stdout);
        }
    }
    std::printf("%zu protocols, %lu executions\n", scenarios.size(), executions);
    std::printf("%u passed, %u failed\n", checks - wrong, wrong);
    return wrong != 0;
}
