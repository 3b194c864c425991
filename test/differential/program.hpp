// SPDX-License-Identifier: Apache-2.0
// A program as data; programs.py says what its text looks like.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace differential {

struct op;
using body = std::vector<op>;

struct op {
    std::string name;
    int id = 0;
    std::vector<int> args;
    std::vector<body> bodies;
};

struct program {
    int number = 0;
    bool spread = false;
    std::vector<int> queues;
    std::vector<int> semaphores;
    std::size_t locks = 0;
    std::size_t events = 0;
    body main;
};

/// Throws std::runtime_error.
program parse(std::string const& line);

} // namespace differential
