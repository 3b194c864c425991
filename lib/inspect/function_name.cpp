// SPDX-License-Identifier: Apache-2.0
#include "inspect/function_name.hpp"

#include <cstddef>

namespace aya::inline v1::detail {

namespace {

bool opens(char c) noexcept { return c == '(' || c == '<' || c == '{' || c == '['; }
bool closes(char c) noexcept { return c == ')' || c == '>' || c == '}' || c == ']'; }

// Where the bracket at `end - 1` was opened; npos if it is none.
std::size_t opening(std::string_view s, std::size_t end) noexcept {
    std::size_t depth = 0;
    for (std::size_t i = end; i-- != 0;) {
        if (closes(s[i]) && !(s[i] == '>' && i != 0 && s[i - 1] == '-'))
            ++depth;
        else if (opens(s[i]) && depth != 0 && --depth == 0)
            return i;
    }
    return std::string_view::npos;
}

void remove_all(std::string& s, std::string_view what) {
    for (std::size_t at = s.find(what); at != std::string::npos; at = s.find(what, at))
        s.erase(at, what.size());
}

// The parameters of lambdas, and of functions that they stand in.
void simplify_lambdas(std::string& s) {
    constexpr std::string_view lambda = "<lambda";
    for (std::size_t at = s.find(lambda); at != std::string::npos; at = s.find(lambda, at + 1)) {
        std::size_t const begin = at + lambda.size();
        std::size_t depth = 1, end = begin;
        for (; end < s.size() && depth != 0; ++end)
            depth += opens(s[end]) ? 1 : closes(s[end]) ? std::size_t(-1) : 0;
        if (depth == 0)
            s.erase(begin, end - begin - 1);
    }
    for (std::string_view const other : {"(anonymous class)", "(lambda)"})
        for (std::size_t at = s.find(other); at != std::string::npos; at = s.find(other))
            s.replace(at, other.size(), "<lambda>");
}

} // namespace

std::string function_name(std::string_view pretty) {
    std::string_view s = pretty;
    // "... [with T = int]", "... [T = int]"
    if (s.ends_with(']'))
        if (std::size_t const at = opening(s, s.size()); at != std::string_view::npos && at != 0)
            s = s.substr(0, at - 1);
    for (std::string_view const end : {" const", " noexcept", " &", " &&"})
        if (s.ends_with(end))
            s.remove_suffix(end.size());
    // The parameters; g++'s of a coroutine's body is its frame.
    if (s.ends_with(')'))
        if (std::size_t const at = opening(s, s.size()); at != std::string_view::npos)
            s = s.substr(0, at);
    constexpr std::string_view call = "::operator()";
    if (s.ends_with(call))
        s.remove_suffix(call.size());
    // The result, if there is one, ends at the last space outside brackets.
    std::size_t depth = 0;
    for (std::size_t i = s.size(); i-- != 0;) {
        if (closes(s[i])) {
            ++depth;
        } else if (opens(s[i])) {
            depth -= depth == 0 ? 0 : 1;
        } else if (s[i] == ' ' && depth == 0) {
            s = s.substr(i + 1);
            break;
        }
    }
    while (s.starts_with('*') || s.starts_with('&'))
        s.remove_prefix(1);
    std::string name(s);
    remove_all(name, "{anonymous}::");
    remove_all(name, "(anonymous namespace)::");
    simplify_lambdas(name);
    if (name.starts_with("aya::v1::"))
        name.erase(5, 4);
    return name.empty() ? std::string(pretty) : name;
}

std::string_view file_name(std::string_view path) noexcept {
    while (path.starts_with("../"))
        path.remove_prefix(3);
    return path;
}

bool is_plumbing(std::string_view function) noexcept { return function.starts_with("aya::detail::") || function.starts_with("aya::io::detail::"); }

} // namespace aya::inline v1::detail
