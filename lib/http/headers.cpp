// SPDX-License-Identifier: Apache-2.0
#include <aya/http/headers.hpp>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <string_view>

namespace aya::inline v1::http {

namespace {

char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool same_name(std::string_view a, std::string_view b) noexcept {
    return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

bool is_token(std::string_view s) noexcept {
    return !s.empty() && std::ranges::all_of(s, [](char c) {
        return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z') ||
               std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
    });
}

void check(std::string const& name, std::string const& value) {
    if (!is_token(name))
        throw std::invalid_argument("aya::http::headers: \"" + name + "\" is no name of a header field");
    if (value.find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos)
        throw std::invalid_argument("aya::http::headers: the value of " + name + " has a line break or a zero byte");
}

} // namespace

void headers::add(std::string name, std::string value) {
    check(name, value);
    fields_.emplace_back(std::move(name), std::move(value));
}

void headers::set(std::string name, std::string value) {
    check(name, value);
    erase(name);
    fields_.emplace_back(std::move(name), std::move(value));
}

void headers::erase(std::string_view name) {
    std::erase_if(fields_, [&](field const& f) { return same_name(f.first, name); });
}

std::optional<std::string_view> headers::get(std::string_view name) const noexcept {
    for (field const& f : fields_)
        if (same_name(f.first, name))
            return f.second;
    return std::nullopt;
}

std::string_view headers::get(std::string_view name, std::string_view otherwise) const noexcept { return get(name).value_or(otherwise); }

std::vector<std::string_view> headers::get_list(std::string_view name) const {
    std::vector<std::string_view> values;
    for (field const& f : fields_)
        if (same_name(f.first, name))
            values.emplace_back(f.second);
    return values;
}

} // namespace aya::inline v1::http
