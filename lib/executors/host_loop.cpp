// SPDX-License-Identifier: Apache-2.0
// An event loop that the main loop of a host program drives: runtime_options::driven_by_host.
#include "executors/waiting_thread.hpp"

#include <aya/errors.hpp>

#include <fmt/format.h>

#include <algorithm>

namespace aya::inline v1::detail {

bool runtime_core::may_drive() const noexcept { return host_ == std::thread::id() || host_ == std::this_thread::get_id(); }

void runtime_core::require_host(char const* what) const {
    require_same_process(what);
    if (!options_.driven_by_host)
        throw invalid_state_error(fmt::format("{}: runtime_options::driven_by_host is not set", what));
    if (host_ != std::this_thread::get_id())
        throw invalid_state_error(fmt::format("{}: called on another thread than the one that made the runtime", what));
    if (this_thread() != nullptr)
        throw invalid_state_error(fmt::format("{}: called inside a task", what));
}

std::size_t runtime_core::drive(char const* what, std::optional<time_point> until) {
    require_host(what);
    waiting_thread me(*this, true); // for stop(), and for fatal errors
    me.for_a_task = false;
    {
        std::lock_guard const guard(waiting_mutex_);
        me.link();
    }
    std::size_t const steps = until ? loop_->run_turns_until(*until, me.told) : loop_->run_turn();
    std::exception_ptr error;
    {
        std::lock_guard const guard(waiting_mutex_);
        me.unlink();
        error = me.end_of_run;
    }
    if (error != nullptr)
        std::rethrow_exception(error);
    return steps;
}

std::optional<time_point> runtime_core::next_deadline(char const* what) const {
    require_host(what);
    time_point const next = loop_->next_turn();
    if (next == time_point::max())
        return std::nullopt;
    return std::max(next, clock_.now());
}

int runtime_core::descriptor() const {
    require_same_process("aya::runtime::descriptor");
    if (host_descriptor_ == nullptr)
        throw invalid_state_error("aya::runtime::descriptor: runtime_options::driven_by_host is not set");
    return host_descriptor_->get();
}

} // namespace aya::inline v1::detail
