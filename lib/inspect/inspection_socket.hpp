// SPDX-License-Identifier: Apache-2.0
// The Unix socket on which a runtime answers: of mode 0600 in a folder that belongs to its user alone, who is also the only one that it answers.
#pragma once

#include <atomic>
#include <string>
#include <string_view>

namespace aya::inline v1::detail {

class inspection_socket {
public:
    /// As <folder>/<pid>-<number>.sock, where the folder is $XDG_RUNTIME_DIR/aya, or /tmp/aya-<uid>. Throws std::system_error; a folder that
    /// others can write to is refused.
    inspection_socket();
    ~inspection_socket();
    inspection_socket(inspection_socket const&) = delete;
    inspection_socket& operator=(inspection_socket const&) = delete;

    [[nodiscard]] int descriptor() const noexcept { return listening_; }

    /// A request, of one line. Its end hangs up.
    class caller {
    public:
        caller(int descriptor, std::atomic<bool> const& stopping) noexcept : descriptor_(descriptor), stopping_(stopping) {}
        ~caller();
        caller(caller const&) = delete;
        caller& operator=(caller const&) = delete;

        [[nodiscard]] explicit operator bool() const noexcept { return descriptor_ >= 0; }
        /// Who has not asked within a second, and taken the answer within five more, is not waited for; nor is anybody once `stopping` holds.
        [[nodiscard]] std::string read_line() noexcept;
        void send(std::string_view text) noexcept;

    private:
        int descriptor_;
        std::atomic<bool> const& stopping_;
    };
    /// Empty if there is none, or it is another user's. `stopping`: hurry.
    [[nodiscard]] caller accept(std::atomic<bool> const& stopping) noexcept;

private:
    std::string path_;
    int listening_ = -1;
};

} // namespace aya::inline v1::detail
