// SPDX-License-Identifier: Apache-2.0
// Writes JSON. Text that is no UTF-8 comes out as Latin-1 would read it: what comes from the program must not spoil the rest.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace aya::inline v1::detail {

class json_writer {
public:
    json_writer& begin_object() { return open('{'); }
    json_writer& end_object() { return close('}'); }
    json_writer& begin_array() { return open('['); }
    json_writer& end_array() { return close(']'); }
    json_writer& key(std::string_view name);
    json_writer& string(std::string_view text);
    json_writer& number(double value);
    json_writer& number(std::unsigned_integral auto value) { return integer(value); }
    /// With three decimals, exactly: nanoseconds as microseconds.
    json_writer& thousandths(std::uint64_t value);
    json_writer& boolean(bool value);

    [[nodiscard]] std::string const& text() const noexcept { return text_; }
    [[nodiscard]] std::string take() { return std::move(text_); }

private:
    json_writer& open(char bracket);
    json_writer& close(char bracket);
    json_writer& integer(std::uint64_t value);
    void separate();
    void quote(std::string_view text);

    std::string text_;
    bool first_ = true; // of its object or array, or the value of a key
};

} // namespace aya::inline v1::detail
