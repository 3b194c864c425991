// SPDX-License-Identifier: Apache-2.0
#include "inspect/function_name.hpp"
#include "inspect/json.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <string_view>

using aya::detail::function_name;

TEST_CASE("function_name: what g++ and clang call coroutines, without what nobody reads") {
    CHECK(function_name("aya::v1::task<int> ns::outer()") == "ns::outer");
    CHECK(function_name("void ns::outer(outer()::_ZN2ns5outerEv.Frame*)") == "ns::outer");
    CHECK(function_name("task<void> ns::s::member(int) const") == "ns::s::member");
    CHECK(function_name("void ns::s::member(ns::s::member(int) const::_ZNK2ns1s6memberEi.Frame*)") == "ns::s::member");
    CHECK(function_name("task<void> ns::invoke(F, int) [with F = task<void> (*)(int)]") == "ns::invoke");
    CHECK(function_name("task<void> ns::invoke(F, int) [F = (lambda at x.cpp:18:23)]") == "ns::invoke");
    CHECK(function_name("aya::v1::task<std::vector<int, std::allocator<int> > > list(std::pair<int, int>)") == "list");
    CHECK(function_name("{anonymous}::f(int)") == "f");
    CHECK(function_name("aya::task<> (anonymous namespace)::f(int)") == "f");
    CHECK(function_name("void ns::outer()::<lambda(int)>::operator()(ns::outer()::<lambda(int)>::_ZZN2ns5outerEvENKUliE_clEi.Frame*)") ==
          "ns::outer()::<lambda>");
    CHECK(function_name("ns::outer()::<lambda(int)>") == "ns::outer()::<lambda>");
    CHECK(function_name("auto ns::outer()::(anonymous class)::operator()(int) const") == "ns::outer()::<lambda>");
    CHECK(function_name("void aya::v1::task_group::exit(aya::v1::task_group::exit()::_ZN3aya2v110task_group4exitEv.Frame*)") ==
          "aya::task_group::exit");
    CHECK(function_name("int *ns::pointer(int)") == "ns::pointer");
    CHECK(function_name("int &ns::reference(int)") == "ns::reference");
    CHECK(function_name("auto f(int) [T = auto (int) -> int]") == "f"); // an arrow closes nothing
    CHECK(function_name("") == "");
    for (char const* const broken : {"f)", ")", "]", "f(int", "<lambda", "<lambda(int", "a <lambda> b)", ">x", "* & "})
        (void)function_name(broken); // stays inside the text, whatever stands there
}

TEST_CASE("is_plumbing, file_name") {
    CHECK(aya::detail::is_plumbing(function_name("aya::v1::task<int> aya::v1::detail::invoke_stored(F, Arguments ...) [with F = int]")));
    CHECK_FALSE(aya::detail::is_plumbing("aya::run_task_group"));
    CHECK(aya::detail::file_name("../../samples/a.cpp") == "samples/a.cpp");
    CHECK(aya::detail::file_name("/a/../b.cpp") == "/a/../b.cpp");
}

TEST_CASE("json_writer: nesting, commas, and text of every kind") {
    aya::detail::json_writer out;
    out.begin_object().key("a").number(1U).key("b").begin_array().number(0.5).string("x").begin_object().end_object().end_array();
    out.key("c").boolean(true).end_object();
    CHECK(out.text() == R"({"a":1,"b":[0.5,"x",{}],"c":true})");
    aya::detail::json_writer text;
    text.string("\"\\\n\x01\xc3\xa4\xff\xe2\x82");
    CHECK(text.text() == "\"\\\"\\\\\\n\\u0001\xc3\xa4\\u00ff\\u00e2\\u0082\"");
    auto const written = [](std::string_view s) {
        aya::detail::json_writer w;
        w.string(s);
        return std::string(w.text());
    };
    // The ends of each length, and what lies just beyond them.
    for (char const* const good : {"\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "\xc2\x80", "\xdf\xbf"})
        CHECK(written(good) == '"' + std::string(good) + '"');
    CHECK(written("\xe0\x9f\xbf") == "\"\\u00e0\\u009f\\u00bf\"");         // over-long
    CHECK(written("\xed\xa0\x80") == "\"\\u00ed\\u00a0\\u0080\"");         // a surrogate
    CHECK(written("\xf0\x8f\xbf\xbf") == "\"\\u00f0\\u008f\\u00bf\\u00bf\""); // over-long
    CHECK(written("\xf4\x90\x80\x80") == "\"\\u00f4\\u0090\\u0080\\u0080\""); // beyond the last character
    CHECK(written("\xf5") == "\"\\u00f5\"");
    CHECK(written("\xc3(") == "\"\\u00c3(\"");
    aya::detail::json_writer numbers;
    numbers.begin_array().number(std::numeric_limits<double>::infinity()).number(std::nan("")).end_array();
    CHECK(numbers.text() == "[null,null]");
}

TEST_CASE("json_writer: nanoseconds are microseconds with three decimals, however many there are") {
    aya::detail::json_writer out;
    out.begin_array().thousandths(0).thousandths(7).thousandths(12'345'678'901'234'567).end_array();
    CHECK(out.text() == "[0.000,0.007,12345678901234.567]");
}
