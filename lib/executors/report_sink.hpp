// SPDX-License-Identifier: Apache-2.0
// Where reports go. Counted, because a task's state may outlive its runtime and still have something to report.
#pragma once

#include <aya/runtime.hpp>

#include <functional>
#include <mutex>

namespace aya::inline v1::detail {

class report_sink {
public:
    explicit report_sink(std::function<void(exception_report const&)> handler) : handler_(std::move(handler)) {}

    /// One report at a time. Any thread, under no other lock.
    void report(exception_report const& r) noexcept;

private:
    std::mutex mutex_;
    std::function<void(exception_report const&)> handler_;
};

} // namespace aya::inline v1::detail
