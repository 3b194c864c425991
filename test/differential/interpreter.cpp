// SPDX-License-Identifier: Apache-2.0
// Runs programs, one a line of standard input, on aya under virtual time, and prints what happened, as interpret.py does on asyncio.
// The argument is the number of workers; 0 stands for the event loop.
#include "machine.hpp"

#include <aya/runtime.hpp>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>

int main(int argc, char** argv) {
    std::size_t const workers = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 0;
    aya::runtime_options options;
    options.scheduler = workers == 0 ? aya::scheduler_kind::event_loop : aya::scheduler_kind::thread_pool;
    options.workers = workers;
    options.virtual_time = true;
    options.exception_handler = [](aya::exception_report const&) {};
    auto runtime = std::make_unique<aya::runtime>(options);
    std::string line;
    while (std::getline(std::cin, line)) {
        differential::program const p = differential::parse(line);
        differential::machine m(p);
        std::cout << "program " << p.number << std::endl; // a crash leaves the number behind
        runtime->block_on(&differential::machine::top, &m);
        std::cout << m.text() << "end\n";
        if (m.start().time_since_epoch() > std::chrono::hours(24 * 365 * 100)) { // virtual time ends after 292 years
            runtime.reset();
            runtime = std::make_unique<aya::runtime>(options);
        }
    }
    std::cout.flush();
}
