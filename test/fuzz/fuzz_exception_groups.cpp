// SPDX-License-Identifier: Apache-2.0
// Bytes make a tree of exception groups. split() gives every leaf to one side, in its order and at its depth, and puts nothing else there;
// handle() calls for the same leaves and throws the others.
#include "fuzz/bytes.hpp"

#include <aya/exception_group.hpp>

#include <exception>
#include <string>
#include <utility>
#include <vector>

namespace {

struct wanted {
    int number;
};
struct special : wanted {};
struct other {
    int number;
};

struct leaf {
    int number;
    int depth;
    bool is_wanted;
    friend bool operator==(leaf const&, leaf const&) = default;
};

std::exception_ptr make(fuzz::bytes& in, int depth, int& numbers) {
    int const kind = in.below(depth < 12 ? 5 : 3);
    if (depth == 0 || kind > 2) {
        std::vector<std::exception_ptr> members;
        for (int n = 1 + in.below(4); n > 0; --n)
            members.push_back(make(in, depth + 1, numbers));
        return std::make_exception_ptr(aya::exception_group("group", std::move(members)));
    }
    int const number = ++numbers;
    return kind == 0 ? std::make_exception_ptr(wanted{number})
         : kind == 1 ? std::make_exception_ptr(special{{number}})
                     : std::make_exception_ptr(other{number});
}

void leaves(std::exception_ptr const& error, int depth, std::vector<leaf>& into) {
    if (error == nullptr)
        return;
    try {
        std::rethrow_exception(error);
    } catch (aya::exception_group const& g) {
        fuzz::require(!g.exceptions().empty(), "an empty group");
        for (auto const& e : g.exceptions())
            leaves(e, depth + 1, into);
    } catch (wanted const& w) {
        into.push_back({w.number, depth, true});
    } catch (other const& o) {
        into.push_back({o.number, depth, false});
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    fuzz::bytes in(data, size);
    int numbers = 0;
    std::exception_ptr const root = make(in, 0, numbers);
    std::vector<leaf> all, matching, rest;
    leaves(root, 0, all);
    for (leaf const& l : all)
        (l.is_wanted ? matching : rest).push_back(l);
    try {
        std::rethrow_exception(root);
    } catch (aya::exception_group const& g) {
        auto const parts = g.split<wanted>();
        std::vector<leaf> left, right;
        leaves(parts.matching, 0, left);
        leaves(parts.rest, 0, right);
        fuzz::require(left == matching, "split() does not give all that match, or other ones");
        fuzz::require(right == rest, "split() does not give all that is left, or more");
        std::vector<int> handled;
        std::vector<leaf> thrown;
        try {
            g.handle<wanted>([&](wanted const& w) { handled.push_back(w.number); });
        } catch (...) {
            leaves(std::current_exception(), 0, thrown);
        }
        std::vector<int> expected;
        for (leaf const& l : matching)
            expected.push_back(l.number);
        fuzz::require(handled == expected, "handle() does not see all that match, in order");
        fuzz::require(thrown == rest, "handle() does not throw what is left");
    }
    return 0;
}
