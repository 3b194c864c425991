// SPDX-License-Identifier: Apache-2.0
// What streams throw, besides std::system_error with the system's error number.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <utility>

namespace aya::inline v1::io {

/// The stream ended before as much as was asked for. Mirrors asyncio.IncompleteReadError.
class incomplete_read_error : public std::runtime_error {
public:
    /// `expected`: how many bytes were asked for; 0: up to a separator.
    incomplete_read_error(std::string partial, std::size_t expected)
        : std::runtime_error(std::to_string(partial.size()) + " bytes read before the end of the stream" +
                             (expected == 0 ? std::string() : ", " + std::to_string(expected) + " expected")),
          partial_(std::move(partial)), expected_(expected) {}

    /// What there was; it has been taken from the stream.
    [[nodiscard]] std::string const& partial() const noexcept { return partial_; }
    [[nodiscard]] std::size_t expected() const noexcept { return expected_; }

private:
    std::string partial_;
    std::size_t expected_;
};

/// No separator within the reader's limit; what was read stays in the reader. Mirrors asyncio.LimitOverrunError.
class limit_overrun_error : public std::runtime_error {
public:
    limit_overrun_error(std::string const& what, std::size_t consumed) : std::runtime_error(what), consumed_(consumed) {}

    /// How many bytes to take from the stream to get on.
    [[nodiscard]] std::size_t consumed() const noexcept { return consumed_; }

private:
    std::size_t consumed_;
};

/// TLS: the handshake or the connection failed. Mirrors ssl.SSLError.
class ssl_error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// The peer's certificate is not trusted, or is another host's. Mirrors ssl.SSLCertVerificationError.
class ssl_cert_verification_error : public ssl_error {
public:
    using ssl_error::ssl_error;
};

} // namespace aya::inline v1::io
