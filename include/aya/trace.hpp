// SPDX-License-Identifier: Apache-2.0
// Traces: what each thread did when, in the format that Perfetto (https://ui.perfetto.dev) and chrome://tracing open.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace aya::inline v1 {

class runtime;

namespace detail {
class tracer;
}

/// Begins to record the steps of tasks, steals, sleep, calls on the other pools, and spans. Each thread keeps its last `events`, 64
/// bytes each. Has no effect while a trace is recorded already. Any thread. While nothing is recorded, a step costs one branch that is always
/// predicted; while something is, about 0.1 us. With AYA_TRACE=file.json in the environment, or runtime_options::trace_file,
/// recording begins with the runtime, and the file is written at its end; %p in the variable is the process's number, as programs that
/// this one starts inherit it. Throws std::invalid_argument for more than 2^32 events.
void start_trace(runtime& rt, std::size_t events = 65536);
/// Ends it; what was recorded stays, until start_trace() begins anew and frees it.
void stop_trace(runtime& rt);
/// Writes what was recorded, or what has been so far. `aya-trace FILE > out.svg` makes a picture of it. Throws std::system_error when
/// the file cannot be written, invalid_state_error when nothing was ever recorded.
void write_trace(runtime& rt, std::string const& file);
/// The same as text.
[[nodiscard]] std::string trace_text(runtime& rt);

/// A part of a task, from here to the end of the scope, across suspensions: shown in a row of its task's own. Does nothing while no trace is
/// recorded, or outside tasks and runtimes. Longer names are cut after 35 bytes at most.
class [[nodiscard]] trace_span {
public:
    explicit trace_span(std::string_view name);
    ~trace_span() {
        if (tracer_ != nullptr)
            end();
    }
    trace_span(trace_span const&) = delete;
    trace_span& operator=(trace_span const&) = delete;

private:
    void end() noexcept;

    std::shared_ptr<detail::tracer> tracer_;
    std::chrono::steady_clock::time_point begin_;
    std::uint64_t task_ = 0;
    char name_[36] = {};
};

} // namespace aya::inline v1
