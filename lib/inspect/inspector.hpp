// SPDX-License-Identifier: Apache-2.0
// A thread that looks after a runtime from outside: for slow steps and deadlocks in debug mode, and for those who ask for the task tree.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

namespace aya::inline v1::detail {

class runtime_core;
class inspection_socket;

class inspector {
public:
    struct tasks {
        bool watch_steps = false; // debug mode
        bool answer = false;      // on a socket
        int signal = 0;
    };

    /// Throws std::system_error when there is no thread or no descriptor for it.
    inspector(runtime_core& core, tasks what);
    ~inspector();
    inspector(inspector const&) = delete;
    inspector& operator=(inspector const&) = delete;

private:
    void run() noexcept;
    void look() noexcept;
    void report_deadlock();
    [[nodiscard]] std::string answer(std::string_view request) const;

    runtime_core& core_;
    tasks const what_;
    std::unique_ptr<inspection_socket> socket_;
    int wake_ = -1;   // raised by the destructor, and by the signal's handler
    bool was_stuck_ = false;
    bool deadlock_reported_ = false;
    std::atomic<bool> stopping_{false};
    std::thread thread_;
};

} // namespace aya::inline v1::detail
