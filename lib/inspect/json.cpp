// SPDX-License-Identifier: Apache-2.0
#include "inspect/json.hpp"

#include <fmt/format.h>

#include <cmath>
#include <cstddef>

namespace aya::inline v1::detail {

namespace {

// How many bytes the UTF-8 sequence at the beginning of `s` has; 0 if it is none.
std::size_t sequence_length(std::string_view s) noexcept {
    auto const byte = [&](std::size_t i) { return static_cast<unsigned char>(s[i]); };
    std::size_t const length = byte(0) < 0x80 ? 1 : byte(0) < 0xc2 ? 0 : byte(0) < 0xe0 ? 2 : byte(0) < 0xf0 ? 3 : byte(0) < 0xf5 ? 4 : 0;
    if (length > s.size())
        return 0;
    for (std::size_t i = 1; i < length; ++i)
        if ((byte(i) & 0xc0) != 0x80)
            return 0;
    // Over-long forms, surrogates, and what lies beyond Unicode.
    if ((byte(0) == 0xe0 && byte(1) < 0xa0) || (byte(0) == 0xed && byte(1) >= 0xa0) || (byte(0) == 0xf0 && byte(1) < 0x90) ||
        (byte(0) == 0xf4 && byte(1) >= 0x90))
        return 0;
    return length;
}

} // namespace

void json_writer::separate() {
    if (!first_)
        text_ += ',';
    first_ = false;
}

json_writer& json_writer::open(char bracket) {
    separate();
    text_ += bracket;
    first_ = true;
    return *this;
}

json_writer& json_writer::close(char bracket) {
    text_ += bracket;
    first_ = false;
    return *this;
}

json_writer& json_writer::key(std::string_view name) {
    separate();
    quote(name);
    text_ += ':';
    first_ = true;
    return *this;
}

json_writer& json_writer::string(std::string_view text) {
    separate();
    quote(text);
    return *this;
}

void json_writer::quote(std::string_view text) {
    text_ += '"';
    while (!text.empty()) {
        char const c = text.front();
        std::size_t const length = sequence_length(text);
        if (c == '"' || c == '\\') {
            text_ += '\\';
            text_ += c;
        } else if (c == '\n') {
            text_ += "\\n";
        } else if (static_cast<unsigned char>(c) < 0x20 || length == 0) {
            text_ += fmt::format("\\u{:04x}", static_cast<unsigned>(static_cast<unsigned char>(c)));
        } else {
            text_ += text.substr(0, length);
        }
        text.remove_prefix(length == 0 ? 1 : length);
    }
    text_ += '"';
}

json_writer& json_writer::number(double value) {
    separate();
    text_ += std::isfinite(value) ? fmt::format("{:.9g}", value) : "null";
    return *this;
}

json_writer& json_writer::integer(std::uint64_t value) {
    separate();
    text_ += fmt::format("{}", value);
    return *this;
}

json_writer& json_writer::thousandths(std::uint64_t value) {
    separate();
    text_ += fmt::format("{}.{:03}", value / 1000, value % 1000);
    return *this;
}

json_writer& json_writer::boolean(bool value) {
    separate();
    text_ += value ? "true" : "false";
    return *this;
}

} // namespace aya::inline v1::detail
