// SPDX-License-Identifier: Apache-2.0
// Gathers of handles, which wait, and of tasks, which fork.
#pragma once

#include "machine.hpp"

namespace {

struct gathering {
    explicit gathering(bool forking) : pool(2, forking) {}
    machine pool;
    aya::semaphore permit{0};
    var<int> parts[3];
    bool told = false, thrown = false;
    aya::task_handle<int> children[2], parent;
};
aya::task<int> part(gathering* s, int which) {
    s->parts[which].set(which + 1);
    co_return which + 1;
}
aya::task<int> sum_of_handles(gathering* s) {
    auto const [a, b] = co_await aya::gather(s->children[0], s->children[1]);
    require(a == s->parts[0].get() && b == s->parts[1].get(), "a result is lost");
    co_return a + b;
}
aya::task<int> sum_of_forks(gathering* s) {
    auto const [a, b] = co_await aya::gather(part(s, 0), part(s, 1));
    require(a == s->parts[0].get() && b == s->parts[1].get(), "a result is lost");
    co_return a + b;
}

std::shared_ptr<gathering> start_with_handles(explorer& e) {
    auto const s = std::make_shared<gathering>(false);
    s->parent = s->pool.start(0, sum_of_handles(s.get())); // before the first child: that can end while it waits
    for (int i = 0; i < 2; ++i)
        s->children[i] = s->pool.start(static_cast<std::size_t>(i), part(s.get(), i));
    spawn_workers(e, s, 2);
    return s;
}

check gather_handles(explorer& e) {
    auto const s = start_with_handles(e);
    return [s] {
        require(!s->parent.cancelled() && s->parent.result() == 3, "a result is lost");
        s->pool.require_empty();
    };
}

check gather_handles_cancelled(explorer& e) {
    auto const s = start_with_handles(e);
    e.spawn([s] { s->told = s->parent.cancel(); });
    return [s] {
        require_answer(s->told, s->parent);
        s->pool.require_empty();
    };
}

// By who wants to know what it waits for.
check gather_looked_at(explorer& e) {
    auto const s = start_with_handles(e);
    e.spawn([s] { static_cast<void>(aya::detail::task_inspector::look(*aya::detail::handle_access::state(s->parent))); });
    return [s] {
        require(!s->parent.cancelled() && s->parent.result() == 3, "a result is lost");
        s->pool.require_empty();
    };
}

check gather_forks(explorer& e) {
    auto const s = std::make_shared<gathering>(true);
    s->parent = s->pool.start(0, sum_of_forks(s.get()));
    spawn_workers(e, s, 2);
    return [s] {
        require(!s->parent.cancelled() && s->parent.result() == 3, "a result is lost");
        s->pool.require_empty();
    };
}

check gather_forks_cancelled(explorer& e) {
    auto const s = std::make_shared<gathering>(true);
    s->parent = s->pool.start(0, sum_of_forks(s.get()));
    spawn_workers(e, s, 2);
    e.spawn([s] { s->told = s->parent.cancel(); });
    return [s] {
        require_answer(s->told, s->parent);
        s->pool.require_empty();
    };
}

// The second child leaves while the first one waits, for a permit that comes, or for a request.
aya::task<int> wait_for_permit(gathering* s) {
    (co_await s->permit.acquire()).forget();
    s->parts[2].set(1);
    co_return 1;
}
aya::task<int> fail(gathering*) {
    throw std::runtime_error("planned");
    co_return 2;
}
aya::task<int> sum_of_a_failure(gathering* s) {
    try {
        auto const [a, b] = co_await aya::gather(wait_for_permit(s), fail(s));
        co_return a + b;
    } catch (std::runtime_error const&) {
        s->thrown = true;
    }
    co_await aya::yield();
    co_return -1;
}
aya::task<int> sum_of_sums(gathering* s) {
    auto const [a, b] = co_await aya::gather(sum_of_forks(s), wait_for_permit(s));
    co_return a + b;
}

check gather_forks_fail(explorer& e) {
    auto const s = std::make_shared<gathering>(true);
    s->parent = s->pool.start(0, sum_of_a_failure(s.get()));
    spawn_workers(e, s, 2);
    e.spawn([s] { s->permit.release(); });
    return [s] {
        require(s->thrown && !s->parent.cancelled() && s->parent.result() == -1, "a failure is lost");
        require(!s->permit.try_acquire(), "what was left behind has not got its permit");
        s->pool.require_empty();
    };
}

check gather_gathers_cancelled(explorer& e) {
    auto const s = std::make_shared<gathering>(true);
    s->parent = s->pool.start(0, sum_of_sums(s.get()));
    spawn_workers(e, s, 2);
    e.spawn([s] { s->permit.release(); });
    e.spawn([s] { s->told = s->parent.cancel(); });
    return [s] {
        require_answer(s->told, s->parent);
        s->pool.require_empty();
    };
}

} // namespace
