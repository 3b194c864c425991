// SPDX-License-Identifier: Apache-2.0
// What a call in another process throws here, besides broken_executor.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

namespace aya::inline v1 {

/// The function threw in the child process. what() is "type: text". Mirrors the exception with a _RemoteTraceback.
class remote_error : public std::runtime_error {
public:
    remote_error(std::string type, std::string message)
        : std::runtime_error(type + ": " + message), type_(std::move(type)), message_(std::move(message)) {}

    /// The exception's type as C++ writes it, "std::invalid_argument".
    [[nodiscard]] std::string const& type_name() const noexcept { return type_; }
    /// Its what(); empty when it was no std::exception.
    [[nodiscard]] std::string const& message() const noexcept { return message_; }

private:
    std::string type_;
    std::string message_;
};

/// Arguments or a result could not be turned into bytes, or the bytes are not what they should be. Mirrors pickle.PickleError.
class serialization_error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

} // namespace aya::inline v1
