// SPDX-License-Identifier: Apache-2.0
#include "executors/report_sink.hpp"

#include <fmt/format.h>

#include <cstdio>

namespace aya::detail {

namespace {

std::string describe(std::exception_ptr const& error) {
    if (error == nullptr)
        return {};
    try {
        std::rethrow_exception(error);
    } catch (std::exception const& e) {
        return fmt::format(": {}", e.what());
    } catch (cancelled_error const& e) {
        return fmt::format(": {}", e.what());
    } catch (...) {
        return ": exception of unknown type";
    }
}

void print(exception_report const& r) {
    fmt::print(stderr, "aya: {} ({}){}\n", r.message, r.task_name, describe(r.exception));
}

} // namespace

void report_sink::report(exception_report const& r) noexcept {
    try {
        std::lock_guard const guard(mutex_);
        if (!handler_) {
            print(r);
            return;
        }
        try {
            handler_(r);
        } catch (...) {
            print(r);
            print({"the exception handler failed", r.task_name, std::current_exception()});
        }
    } catch (...) {
        // Even printing failed; there is nobody left to tell.
    }
}

} // namespace aya::detail
