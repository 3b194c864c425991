// SPDX-License-Identifier: Apache-2.0
#include "executors/elsewhere.hpp"

#include "executors/current_thread.hpp"

#include <aya/executor.hpp>

#include <utility>

namespace aya::inline v1::detail {

namespace {

thread_local char const* why_refused = nullptr;
thread_local scheduler* handing_over = nullptr; // whose step this thread is handing to an executor

} // namespace

placement::placement(scheduler& home) noexcept : home_(&home) {
    if (home.is_elsewhere())
        static_cast<elsewhere&>(home).add_reference();
}

placement::placement(scheduler& home, std::shared_ptr<executor_base> const& e) {
    home_ = e->scheduler_of(home.owner());
    if (home_ == nullptr)
        home_ = new elsewhere(home.base(), e);
}

placement::~placement() {
    if (home_ != nullptr && home_->is_elsewhere())
        static_cast<elsewhere&>(*home_).release();
}

placement place_on(scheduler& home, any_executor const& e) { return placement(home, executor_access::base(e)); }

void elsewhere::schedule(ready& r) noexcept {
    // Counted off when the step has run: virtual time stands still meanwhile, and the runtime's end waits.
    owner().clock().outside.fetch_add(1);
    // `r` may run, end, and take this object with it, before submit() returns.
    std::shared_ptr<executor_base> const keep = executor_;
    scheduler* const outer = std::exchange(handing_over, &base());
    keep->submit(r);
    handing_over = outer;
}

void elsewhere::fork(ready& chain) noexcept {
    for (ready* r = &chain; r != nullptr;) {
        ready* const next = r->next;
        schedule(*r);
        r = next;
    }
}

void elsewhere::run(ready& r, ready::function step) noexcept {
    runtime_core& runtime = owner();
    scheduler* const outer_hand_over = std::exchange(handing_over, nullptr); // a refused step runs inside one
    thread_context here;
    here.home = this;
    thread_context* const outer = this_thread();
    enter_thread(here);
    if (base().watched()) [[unlikely]]
        runtime.run_watched(r, step);
    else
        step(r);
    // The task may be gone now, and this object with it; the runtime waits for the count.
    if (outer != nullptr)
        enter_thread(*outer);
    else
        leave_thread();
    handing_over = outer_hand_over;
    runtime.clock().outside.fetch_sub(1);
}

namespace {

class inline_base final : public executor_base {
public:
    void submit(ready& r) noexcept override { run_at_once(r); }
};

} // namespace

void run_at_once(ready& r) noexcept {
    if (handing_over != nullptr)
        handing_over->schedule(r);
    else
        r.run(r);
}

void refuse(ready& r, char const* why) noexcept {
    why_refused = why;
    r.run(r);
}

char const* take_refusal() noexcept { return std::exchange(why_refused, nullptr); }

} // namespace aya::inline v1::detail

namespace aya::inline v1 {

any_executor::any_executor(inline_executor) noexcept {
    static detail::inline_base all;
    base_ = std::shared_ptr<detail::executor_base>(std::shared_ptr<void>(), &all);
}

any_executor this_executor() {
    detail::scheduler& home = detail::this_scheduler("aya::this_executor");
    if (home.is_elsewhere())
        return detail::executor_access::make(static_cast<detail::elsewhere&>(home).executor());
    return detail::executor_access::refer_to(home.owner().own_executor());
}

} // namespace aya::inline v1
