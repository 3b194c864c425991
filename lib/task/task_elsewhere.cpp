// SPDX-License-Identifier: Apache-2.0
// Tasks whose steps run on an executor.
#include "executors/current_thread.hpp"
#include "executors/elsewhere.hpp"
#include "task/details.hpp"

#include <aya/detail/task_state.hpp>
#include <aya/errors.hpp>

#include <algorithm>
#include <exception>
#include <new>
#include <string>
#include <utility>

namespace aya::inline v1::detail {

// Somebody may be looking at a scheduler that the task had before, so they all stay until the task's state goes.
void task_state::keep_home(scheduler& home) {
    details& d = writable_details();
    auto const same = [&](placement const& p) { return &p.home() == &home; };
    if (std::none_of(d.homes.begin(), d.homes.end(), same))
        d.homes.emplace_back(home);
}

void task_state::move_to(scheduler& home) {
    if (home.is_elsewhere()) {
        std::uint64_t const word = lock();
        try {
            keep_home(home);
        } catch (...) {
            unlock(word);
            throw;
        }
        unlock(word);
    }
    run = home.is_elsewhere() ? &run_again_elsewhere : &run_again;
    // Release: pairs with home().
    scheduler_.store(&home, std::memory_order_release);
}

placement task_state::kept_home(std::shared_ptr<executor_base> const& e) const noexcept {
    auto& self = const_cast<task_state&>(*this); // the lock bit is the only thing that changes
    placement found;
    std::uint64_t const word = self.lock(); // the details may be made by who names the task, or cancels it
    if (details_ != nullptr)
        for (placement const& p : details_->homes)
            if (static_cast<elsewhere&>(p.home()).executor() == e)
                found = placement(p.home());
    self.unlock(word);
    return found;
}

void task_state::run_first_elsewhere(ready& r) noexcept {
    auto& t = static_cast<task_state&>(r);
    bool const refused = t.note_refusal();
    static_cast<elsewhere&>(t.home()).run(t, refused ? &refused_first_step : [](ready& self) noexcept {
        self.run = &run_again_elsewhere;
        static_cast<task_state&>(self).begin_first_step();
    });
}

void task_state::run_again_elsewhere(ready& r) noexcept {
    auto& t = static_cast<task_state&>(r);
    bool const refused = t.note_refusal();
    static_cast<elsewhere&>(t.home()).run(t, refused ? &refused_step : &run_again);
}

bool task_state::note_refusal() noexcept {
    char const* const why = take_refusal();
    if (why == nullptr) [[likely]]
        return false;
    std::uint64_t const word = lock();
    set_cancel_message(why);
    unlock(word);
    return true;
}

// It never started: a failure like any other.
void task_state::refused_first_step(ready& r) noexcept {
    auto& t = static_cast<task_state&>(r);
    try {
        t.error_ = std::make_exception_ptr(broken_executor("aya::create_task: " + t.take_cancel_message()));
    } catch (...) {
        t.error_ = std::current_exception();
    }
    t.resume_point_.destroy();
    t.finish(ending::failed);
}

// It is somewhere in the middle, and must be able to clean up: that it does on its runtime's own scheduler.
void task_state::refused_step(ready& r) noexcept {
    auto& t = static_cast<task_state&>(r);
    t.postpone_cancel();
    scheduler& base = t.home().base();
    t.run = &run_again;
    // Release: as in move_to(), though the runtime's own scheduler was whole long before.
    t.scheduler_.store(&base, std::memory_order_release);
    base.schedule(t);
}

} // namespace aya::inline v1::detail
