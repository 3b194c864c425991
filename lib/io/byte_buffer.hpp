// SPDX-License-Identifier: Apache-2.0
// What a connection has received and nobody read yet, or has to send.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace aya::inline v1::io::detail {

/// Bytes that are added at the end and taken from the front.
class byte_buffer {
public:
    /// Once it is empty it keeps so much memory at most: a connection that is idle after a burst does not keep the burst's.
    explicit byte_buffer(std::size_t kept_when_empty) noexcept : kept_when_empty_(kept_when_empty) {}

    [[nodiscard]] std::size_t size() const noexcept { return end_ - begin_; }
    [[nodiscard]] bool empty() const noexcept { return begin_ == end_; }
    [[nodiscard]] std::string_view view() const noexcept { return {data_.get() + begin_, size()}; }

    /// Room for at least `least` bytes.
    [[nodiscard]] std::span<char> prepare(std::size_t least);
    void commit(std::size_t n) noexcept { end_ += n; }
    /// Gives memory back, if it is empty and has more than `most`.
    void shrink(std::size_t most) noexcept;
    void append(std::string_view bytes);
    void consume(std::size_t n) noexcept;
    [[nodiscard]] std::string take(std::size_t n);

private:
    std::size_t const kept_when_empty_;
    std::unique_ptr<char[]> data_;
    std::size_t capacity_ = 0;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
};

} // namespace aya::inline v1::io::detail
