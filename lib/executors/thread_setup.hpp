// SPDX-License-Identifier: Apache-2.0
// What a runtime's threads do when they start and stop: their names, their CPUs, and the host's hooks.
#pragma once

#include "executors/report_sink.hpp"

#include <aya/runtime_options.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <sched.h>

namespace aya::inline v1::detail {

class thread_setup {
public:
    /// Throws std::invalid_argument for options that do not fit.
    thread_setup(runtime_options const& options, std::shared_ptr<report_sink> reports);

    /// First and last things on a worker's thread, outside its loop.
    void worker_starts(std::size_t index) const noexcept;
    void worker_stops(std::size_t index) const noexcept;

    /// First thing on a thread of the blocking pool.
    void blocking_thread_starts(std::size_t number) const noexcept;
    static void name_blocking_thread(std::string const& runtime, std::size_t number) noexcept;
    /// Whether the calling thread has come by there.
    [[nodiscard]] static bool is_blocking_thread() noexcept;

    /// Whether other threads inherit a worker's only CPU when a worker starts them, and need unpin().
    [[nodiscard]] bool pins() const noexcept { return !affinity_.empty(); }
    /// Gives the calling thread the CPUs that the runtime's maker had.
    void unpin() const noexcept;

    [[nodiscard]] report_sink& reports() const noexcept { return *reports_; }

private:
    using hook = std::function<void(std::size_t)>;

    void pin(std::size_t index) const noexcept;
    void call(hook const& f, std::size_t index, char const* failure) const noexcept;

    std::string name_;
    hook on_start_;
    hook on_stop_;
    std::vector<std::size_t> affinity_;
    cpu_set_t makers_cpus_{};
    std::shared_ptr<report_sink> reports_;
};

} // namespace aya::inline v1::detail
