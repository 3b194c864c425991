// SPDX-License-Identifier: Apache-2.0
#include <aya/future.hpp>

#include <aya/errors.hpp>

#include <new>
#include <utility>

namespace aya::inline v1::detail {

task_state& setter::checked() const {
    if (!state_) [[unlikely]]
        throw_invalid_state("aya::promise: moved from");
    return *state_;
}

void setter::throw_done() { throw_invalid_state("aya::promise: the future is done already, or another thread is setting it"); }

bool setter::try_set_exception(std::exception_ptr error) const {
    if (error == nullptr)
        throw_invalid_argument("aya::promise::set_exception: the exception is null");
    auto const keep = state_reference::share(checked()); // this promise may go as soon as the future is done
    ending const how = classify(error);
    return keep->claim_result() && keep->complete(how, std::move(error));
}

void setter::abandon() noexcept {
    if (!state_ || state_->done())
        return;
    // Those who wait are told; that nobody waits is no failure to report.
    state_->mark_retrieved();
    std::exception_ptr error;
    try {
        error = std::make_exception_ptr(broken_promise());
    } catch (std::bad_alloc const&) {
        error = std::current_exception(); // no memory for its text
    }
    state_->complete(ending::failed, std::move(error));
}

} // namespace aya::inline v1::detail
