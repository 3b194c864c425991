// SPDX-License-Identifier: Apache-2.0
#include <aya/exception_group.hpp>

#include <doctest/doctest.h>

#include <stdexcept>
#include <string>
#include <vector>

namespace {

template <class E>
std::exception_ptr make(char const* text) {
    return std::make_exception_ptr(E(text));
}

std::exception_ptr nest(std::string const& message, std::vector<std::exception_ptr> inner) {
    return std::make_exception_ptr(aya::exception_group(message, std::move(inner)));
}

aya::exception_group open(std::exception_ptr const& p) {
    try {
        std::rethrow_exception(p);
    } catch (aya::exception_group const& g) {
        return g;
    }
}

aya::exception_group sample() {
    return aya::exception_group("outer", {make<std::domain_error>("r1"), make<std::out_of_range>("o1"),
                                          nest("inner", {make<std::out_of_range>("o2"), make<std::domain_error>("r2")})});
}

} // namespace

TEST_CASE("exception_group: message, text with a count, and the exceptions; an empty one is refused") {
    aya::exception_group const one("things", {make<std::domain_error>("a")});
    CHECK(one.message() == "things");
    CHECK(std::string(one.what()) == "things (1 sub-exception)");
    CHECK(std::string(sample().what()) == "outer (3 sub-exceptions)");
    CHECK(sample().exceptions().size() == 3);
    CHECK_THROWS_AS(aya::exception_group("nothing", {}), std::invalid_argument);
}

TEST_CASE("exception_group: split keeps the shape, null where nothing is left") {
    auto const [matching, rest] = sample().split<std::out_of_range>();
    aya::exception_group const m = open(matching);
    CHECK(m.message() == "outer");
    REQUIRE(m.exceptions().size() == 2);
    CHECK_THROWS_WITH_AS(std::rethrow_exception(m.exceptions()[0]), "o1", std::out_of_range);
    aya::exception_group const inner = open(m.exceptions()[1]);
    CHECK(inner.message() == "inner");
    REQUIRE(inner.exceptions().size() == 1);
    CHECK_THROWS_WITH_AS(std::rethrow_exception(inner.exceptions()[0]), "o2", std::out_of_range);
    aya::exception_group const r = open(rest);
    REQUIRE(r.exceptions().size() == 2);
    CHECK(open(r.exceptions()[1]).exceptions().size() == 1);

    auto const none = sample().split<std::bad_alloc>();
    CHECK(none.matching == nullptr);
    CHECK(open(none.rest).exceptions().size() == 3);
    auto const all = sample().split<std::logic_error>();
    CHECK(all.rest == nullptr);
    CHECK(open(all.matching).exceptions().size() == 3);
}

TEST_CASE("exception_group: handle visits nested ones in order and throws what is left") {
    std::string seen;
    auto const note = [&](std::exception const& e) { seen += std::string(e.what()) + " "; };
    try {
        sample().handle<std::out_of_range>(note);
        FAIL("something is left");
    } catch (aya::exception_group const& rest) {
        CHECK(seen == "o1 o2 ");
        CHECK(rest.message() == "outer");
        CHECK_NOTHROW(rest.handle<std::domain_error>(note));
        CHECK(seen == "o1 o2 r1 r2 ");
    }
}

TEST_CASE("exception_group: handle and split by a base class of groups see the members of nested groups, not the groups") {
    aya::exception_group const group("outer", {make<std::runtime_error>("r1"), nest("inner", {make<std::runtime_error>("r2")})});
    std::string seen;
    CHECK_NOTHROW(group.handle<std::runtime_error>([&](std::runtime_error const& e) { seen += std::string(e.what()) + " "; }));
    CHECK(seen == "r1 r2 ");
    auto const all = group.split<std::exception>();
    CHECK(all.rest == nullptr);
    CHECK(open(open(all.matching).exceptions()[1]).exceptions().size() == 1);
}

TEST_CASE("exception_group: what a handler throws stops nothing, and comes with what is left") {
    int seen = 0;
    bool thrown = false;
    try {
        sample().handle<std::domain_error>([&](std::domain_error const& e) {
            ++seen;
            if (std::string(e.what()) == "r1")
                throw std::runtime_error("from the handler");
        });
    } catch (aya::exception_group const& g) {
        thrown = true;
        CHECK(g.exceptions().size() == 2);
        CHECK_THROWS_AS(std::rethrow_exception(g.exceptions()[0]), std::runtime_error);
        CHECK(open(g.exceptions()[1]).exceptions().size() == 2); // o1, and the nested group with o2
    }
    CHECK(thrown);
    CHECK(seen == 2);
}
