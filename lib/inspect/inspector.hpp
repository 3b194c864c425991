// SPDX-License-Identifier: Apache-2.0
// A thread that looks after a runtime from outside: for slow steps and deadlocks in debug mode, and for those who ask for the task tree.
#pragma once

#include <aya/task_tree.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

namespace aya::inline v1::detail {

class runtime_core;
class inspection_socket;

/// Catches the signal from now on, for whoever listens. Throws std::system_error.
void catch_dump_signal(int signal);
/// In the child of a fork(): nobody there listens yet.
void forget_listeners() noexcept;

class inspector {
public:
    struct tasks {
        bool watch_steps = false; // debug mode
        bool answer = false;      // on a socket
        int signal = 0;
    };

    /// Throws std::system_error when there is no thread or no descriptor for it. What else is missing is reported.
    inspector(runtime_core& core, tasks what);
    ~inspector();
    inspector(inspector const&) = delete;
    inspector& operator=(inspector const&) = delete;

private:
    void run() noexcept;
    void look();
    void look_for_deadlock();
    [[nodiscard]] std::string answer(std::string_view request) const;
    void listen_to_signal();
    void forget_signal() noexcept;

    runtime_core& core_;
    tasks const what_;
    std::unique_ptr<inspection_socket> socket_;
    int wake_ = -1; // raised by the destructor, and by the signal's handler
    std::atomic<std::uint64_t>* place_ = nullptr; // where the handler finds it
    bool was_at_rest_ = false;
    bool deadlock_reported_ = false;
    // Who could end what all tasks wait for.
    enum class helper : std::uint8_t { world, any_thread, task_or_lock_holder, task };
    [[nodiscard]] static helper helper_of(task_tree const& tree);
    [[nodiscard]] bool has(helper h) const;
    helper helper_ = helper::world; // when it was looked at last
    std::uint64_t steps_then_ = 0;
    unsigned looks_since_ = 0;
    std::atomic<bool> stopping_{false};
    std::thread thread_;
};

} // namespace aya::inline v1::detail
