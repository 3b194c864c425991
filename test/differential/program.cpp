// SPDX-License-Identifier: Apache-2.0
#include "program.hpp"

#include <sstream>
#include <stdexcept>

namespace differential {

namespace {

template <class T>
T next(std::istream& in) {
    T value;
    if (!(in >> value))
        throw std::runtime_error("a program ends too early, or has no number where one belongs");
    return value;
}

std::vector<int> counted(std::istream& in) {
    std::vector<int> all(next<std::size_t>(in));
    for (int& one : all)
        one = next<int>(in);
    return all;
}

// After its opening brace.
body parse_body(std::istream& in) {
    body ops;
    for (std::string token; (token = next<std::string>(in)) != "}";) {
        if (token == "{") {
            ops.at(ops.size() - 1).bodies.push_back(parse_body(in));
            continue;
        }
        op o;
        o.name = token;
        o.id = next<int>(in);
        if (next<std::string>(in) != "(")
            throw std::runtime_error("an op has no arguments");
        while ((token = next<std::string>(in)) != ")")
            o.args.push_back(std::stoi(token));
        ops.push_back(std::move(o));
    }
    return ops;
}

} // namespace

program parse(std::string const& line) {
    std::istringstream in(line);
    program p;
    p.number = next<int>(in);
    p.spread = next<std::string>(in) == "spread";
    p.queues = counted(in);
    p.semaphores = counted(in);
    p.locks = next<std::size_t>(in);
    p.events = next<std::size_t>(in);
    if (next<std::string>(in) != "{")
        throw std::runtime_error("a program has no body");
    p.main = parse_body(in);
    return p;
}

} // namespace differential
