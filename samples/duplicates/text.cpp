// SPDX-License-Identifier: Apache-2.0
#include "text.hpp"

#include <cstddef>

namespace duplicates {
namespace {

constexpr char hex[] = "0123456789abcdef";

unsigned byte_at(std::string_view s, std::size_t i) {
    return static_cast<unsigned char>(s[i]);
}

bool continuation(std::string_view s, std::size_t i) {
    return i < s.size() && (byte_at(s, i) & 0xc0U) == 0x80U;
}

// Length of the well-formed UTF-8 sequence at i, 0 if there is none. Overlong forms, surrogates and what lies
// above U+10FFFF are ill-formed (the Unicode Standard, table 3-7).
std::size_t utf8_length(std::string_view s, std::size_t i) {
    unsigned const lead = byte_at(s, i);
    if (lead < 0x80U) {
        return 1;
    }
    if (lead < 0xc2U || lead > 0xf4U || !continuation(s, i + 1)) {
        return 0;
    }
    unsigned const second = byte_at(s, i + 1);
    if (lead < 0xe0U) {
        return 2;
    }
    if ((lead == 0xe0U && second < 0xa0U) || (lead == 0xedU && second > 0x9fU) ||
        (lead == 0xf0U && second < 0x90U) || (lead == 0xf4U && second > 0x8fU) || !continuation(s, i + 2)) {
        return 0;
    }
    if (lead < 0xf0U) {
        return 3;
    }
    return continuation(s, i + 3) ? 4 : 0;
}

void append_hex(std::string& out, unsigned value) {
    out.push_back(hex[(value >> 4U) & 15U]);
    out.push_back(hex[value & 15U]);
}

}  // namespace

void append_json(std::string& out, std::string_view bytes) {
    out.push_back('"');
    for (std::size_t i = 0; i < bytes.size();) {
        std::size_t const length = utf8_length(bytes, i);
        unsigned const byte = byte_at(bytes, i);
        if (length == 0) {
            append_hex(out.append("\\udc"), byte);
            ++i;
        } else if (byte == '"' || byte == '\\') {
            out.push_back('\\');
            out.push_back(bytes[i++]);
        } else if (byte < 0x20U || byte == 0x7fU) {
            append_hex(out.append("\\u00"), byte);
            ++i;
        } else {
            out.append(bytes, i, length);
            i += length;
        }
    }
    out.push_back('"');
}

void append_quoted(std::string& out, std::string_view bytes) {
    for (std::size_t i = 0; i < bytes.size();) {
        std::size_t const length = utf8_length(bytes, i);
        unsigned const byte = byte_at(bytes, i);
        // U+0080..U+009F are control characters too; terminals act on them.
        bool const control = byte < 0x20U || byte == 0x7fU ||
                             (length == 2 && byte == 0xc2U && byte_at(bytes, i + 1) < 0xa0U);
        if (length == 0 || control) {
            append_hex(out.append("\\x"), byte);
            ++i;
        } else {
            out.append(bytes, i, length);
            i += length;
        }
    }
}

}  // namespace duplicates
