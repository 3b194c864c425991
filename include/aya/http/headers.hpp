// SPDX-License-Identifier: Apache-2.0
// The header fields of a request or a response.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace aya::inline v1::http {

/// Header fields in the order in which they came; names are found whatever their case, and may be there several times.
/// Thread safety: as std::vector. Mirrors httpx.Headers.
class headers {
public:
    using field = std::pair<std::string, std::string>;

    /// One more field. Throws std::invalid_argument for a name that is no token, and for a value with a line break or a zero byte.
    void add(std::string name, std::string value);
    /// The only field of that name from now on. Throws as add().
    void set(std::string name, std::string value);
    void erase(std::string_view name);

    /// The value of the first field of that name.
    [[nodiscard]] std::optional<std::string_view> get(std::string_view name) const noexcept;
    /// The same, or `otherwise`, which must outlive the result.
    [[nodiscard]] std::string_view get(std::string_view name, std::string_view otherwise) const noexcept;
    [[nodiscard]] std::vector<std::string_view> get_list(std::string_view name) const;
    [[nodiscard]] bool contains(std::string_view name) const noexcept { return get(name).has_value(); }

    [[nodiscard]] std::size_t size() const noexcept { return fields_.size(); }
    [[nodiscard]] bool empty() const noexcept { return fields_.empty(); }
    [[nodiscard]] auto begin() const noexcept { return fields_.begin(); }
    [[nodiscard]] auto end() const noexcept { return fields_.end(); }

    void clear() noexcept { fields_.clear(); }
    void reserve(std::size_t fields) { fields_.reserve(fields); }
    /// As it came from a peer: not checked.
    void add_received(std::string_view name, std::string_view value) { fields_.emplace_back(name, value); }

private:
    std::vector<field> fields_;
};

} // namespace aya::inline v1::http
