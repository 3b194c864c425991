// SPDX-License-Identifier: Apache-2.0
// The ops, one function each, in the order of the table.
#include "machine.hpp"

#include <aya/as_completed.hpp>
#include <aya/errors.hpp>
#include <aya/gather.hpp>
#include <aya/outcome.hpp>
#include <aya/shield.hpp>
#include <aya/sleep.hpp>
#include <aya/wait.hpp>

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

namespace differential {

namespace {

std::size_t index(int i) { return static_cast<std::size_t>(i); }

std::string equals(int value) {
    std::string text = "=";
    text += std::to_string(value);
    return text;
}

std::string listed(std::vector<std::string> const& parts) {
    std::string all;
    for (std::string const& part : parts)
        all += (all.empty() ? "" : ",") + part;
    return all;
}

template <class Queue>
aya::task<> put_into(Queue* q, int item) {
    co_await q->put(item);
}
template <class Queue>
aya::task<int> get_from(Queue* q) {
    co_return co_await q->get();
}
template <class Queue>
aya::task<> join_all(Queue* q) {
    co_await q->join();
}

std::string outcome_of(aya::task_handle<int> const& h) {
    if (h.cancelled())
        return "!cancelled()";
    std::exception_ptr const error = h.exception();
    return error ? "!" + describe(error) : std::to_string(h.result());
}

} // namespace

std::map<std::string, machine::member> const& machine::table() {
    using m = machine;
    static std::map<std::string, member> const all{
        {"sleep", &m::sleep},
        {"yield", &m::yield},
        {"spawn", &m::spawn},
        {"espawn", &m::spawn_eagerly},
        {"gspawn", &m::spawn_in_group},
        {"await", &m::await},
        {"shield", &m::shield},
        {"gather", &m::gather},
        {"wait", &m::wait},
        {"ascomp", &m::as_completed},
        {"waitfor", &m::wait_for},
        {"waitforh", &m::wait_for_handle},
        {"timeout", &m::timeout},
        {"resched", &m::reschedule},
        {"group", &m::group},
        {"put", &m::put},
        {"get", &m::get},
        {"putn", &m::put_nowait},
        {"getn", &m::get_nowait},
        {"done", &m::task_done},
        {"join", &m::join},
        {"close", &m::shut_down},
        {"barrier", &m::barrier},
        {"breset", &m::reset_barrier},
        {"babort", &m::abort_barrier},
        {"cwait", &m::wait_condition},
        {"notify", &m::notify},
        {"lock", &m::lock},
        {"sem", &m::semaphore},
        {"set", &m::set},
        {"clear", &m::clear},
        {"waitev", &m::wait_event},
        {"waitf", &m::wait_future},
        {"setf", &m::set_future},
        {"cancelf", &m::cancel_future},
        {"raise", &m::raise},
        {"ret", &m::ret},
        {"cancel", &m::cancel},
        {"uncancel", &m::uncancel},
        {"count", &m::count},
        {"probe", &m::probe},
        {"try", &m::try_op}};
    return all;
}

aya::task<machine::result> machine::sleep(actor& a, op const& o) {
    co_await pause(a, o.args[0]);
    co_return result{"ok"};
}

aya::task<machine::result> machine::yield(actor&, op const&) {
    co_await aya::yield();
    co_return result{"ok"};
}

aya::task<machine::result> machine::spawn(actor&, op const& o) {
    keep(o.args[0], aya::create_task(act(o.args[0], &o.bodies[0], {})));
    co_return result{"ok"};
}

aya::task<machine::result> machine::spawn_eagerly(actor&, op const& o) {
    aya::create_task_options options;
    options.eager_start = true;
    keep(o.args[0], aya::create_task(act(o.args[0], &o.bodies[0], {}), options));
    co_return result{"ok"};
}

aya::task<machine::result> machine::spawn_in_group(actor& a, op const& o) {
    keep(o.args[1], a.groups.at(o.args[0])->create_task(act(o.args[1], &o.bodies[0], a.groups)));
    co_return result{"ok"};
}

aya::task<machine::result> machine::await(actor&, op const& o) {
    auto const h = slot(o.args[0]);
    if (!h)
        co_return result{"none"};
    int const value = co_await *h;
    co_return result{equals(value)};
}

aya::task<machine::result> machine::shield(actor&, op const& o) {
    auto const h = slot(o.args[0]);
    if (!h)
        co_return result{"none"};
    int const value = co_await aya::shield(*h);
    co_return result{equals(value)};
}

// Coroutines alone go to gather() as they are, so that they are forked on a thread pool; with handles among them all must be handles, in one
// type, so the coroutines are scheduled first.
aya::task<machine::result> machine::gather(actor&, op const& o) {
    bool mixed = false;
    for (auto i = o.args.begin() + 1; i != o.args.end(); ++i)
        mixed = mixed || *i >= 0;
    std::vector<aya::task<int>> tasks;
    std::vector<aya::task_handle<int>> handles;
    auto next = o.bodies.begin();
    for (auto i = o.args.begin() + 1; i != o.args.end(); ++i) {
        if (*i < 0 && !mixed)
            tasks.push_back(act(-1 - *i, &*next++, {}));
        else if (*i < 0)
            handles.push_back(aya::create_task(act(-1 - *i, &*next++, {})));
        else if (auto const h = slot(*i))
            handles.push_back(*h);
    }
    std::vector<std::string> parts;
    if (o.args[0] == 0) {
        std::vector<int> values;
        if (mixed)
            values = co_await aya::gather(std::move(handles));
        else
            values = co_await aya::gather(std::move(tasks));
        for (int const v : values)
            parts.push_back(std::to_string(v));
    } else {
        std::vector<aya::outcome<int>> outcomes;
        if (mixed)
            outcomes = co_await aya::gather(aya::return_exceptions, std::move(handles));
        else
            outcomes = co_await aya::gather(aya::return_exceptions, std::move(tasks));
        for (aya::outcome<int> const& one : outcomes)
            parts.push_back(one.has_value()  ? std::to_string(one.value())
                            : one.cancelled() ? "!cancelled()"
                                              : "!" + describe(one.exception()));
    }
    co_return result{"[" + listed(parts) + "]"};
}

aya::task<machine::result> machine::wait(actor& a, op const& o) {
    static constexpr aya::return_when modes[] = {aya::all_completed, aya::first_completed, aya::first_exception};
    std::map<int, aya::task_handle<int>> found;
    for (auto i = o.args.begin() + 2; i != o.args.end(); ++i)
        if (auto const h = slot(*i))
            found.emplace(*i, *h);
    if (found.empty())
        co_return result{"none"};
    std::vector<aya::task_handle<int>> all;
    for (auto const& [number, h] : found)
        all.push_back(h);
    aya::wait_options options;
    options.return_when = modes[o.args[0]];
    if (auto const limit = deadline(a, o.args[1]))
        options.timeout = *limit;
    aya::wait_result<int> const ended = co_await aya::wait(std::move(all), options);
    auto const names = [&](std::vector<aya::task_handle<int>> const& some) {
        std::vector<std::string> parts;
        for (auto const& [number, h] : found)
            for (auto const& one : some)
                if (one == h)
                    parts.push_back(std::to_string(number));
        return listed(parts);
    };
    co_return result{"[" + names(ended.done) + "|" + names(ended.pending) + "]"};
}

aya::task<machine::result> machine::as_completed(actor& a, op const& o) {
    std::vector<aya::task_handle<int>> found;
    for (auto i = o.args.begin() + 2; i != o.args.end(); ++i)
        if (auto const h = slot(*i))
            found.push_back(*h);
    std::optional<aya::duration> limit;
    if (auto const d = deadline(a, o.args[0]))
        limit = *d;
    auto ended = aya::as_completed(std::move(found), limit);
    std::vector<std::string> results;
    while (results.size() < index(o.args[1])) {
        aya::task_handle<int> const h = co_await ended.next();
        if (!h)
            break;
        results.push_back(outcome_of(h));
    }
    if (program_.spread) // nothing depends on the order inside an instant
        std::sort(results.begin(), results.end());
    co_return result{"[" + listed(results) + "]"};
}

aya::task<machine::result> machine::wait_for(actor& a, op const& o) {
    milliseconds const limit = deadline(a, o.args[0]).value();
    flow const value = co_await aya::wait_for(run_body(a, o.bodies[0]), limit);
    co_return of(value);
}

aya::task<machine::result> machine::wait_for_handle(actor& a, op const& o) {
    auto const h = slot(o.args[1]);
    if (!h)
        co_return result{"none"};
    milliseconds const limit = deadline(a, o.args[0]).value();
    int const value = co_await aya::wait_for(*h, limit);
    co_return result{equals(value)};
}

aya::task<machine::result> machine::timeout(actor& a, op const& o) {
    std::optional<aya::time_point> limit;
    if (auto const d = deadline(a, o.args[0]))
        limit = aya::now() + *d;
    bool expired = false;
    auto const inside = [](aya::timeout_scope& scope, machine* m, actor* who, op const* which,
                           bool* over) -> aya::task<flow> {
        who->timeouts[which->id] = &scope;
        std::exception_ptr error;
        flow value;
        try {
            value = co_await m->run_body(*who, which->bodies[0]);
        } catch (...) {
            error = std::current_exception();
        }
        who->timeouts.erase(which->id);
        *over = scope.expired();
        if (error)
            std::rethrow_exception(error);
        co_return value;
    };
    flow const value = co_await aya::timeout_at(limit, inside, this, &a, &o, &expired);
    result r = of(value);
    if (expired)
        r.note += " expired";
    co_return r;
}

aya::task<machine::result> machine::reschedule(actor& a, op const& o) {
    std::optional<aya::time_point> limit;
    if (auto const d = deadline(a, o.args[1]))
        limit = aya::now() + *d;
    aya::timeout_scope& scope = *a.timeouts.at(o.args[0]);
    scope.reschedule(limit);
    auto const when = scope.when();
    if (!when)
        co_return result{"ok"};
    co_return result{"ok " + std::to_string(std::chrono::duration_cast<milliseconds>(*when - aya::now()).count())};
}

aya::task<machine::result> machine::group(actor& a, op const& o) {
    auto const inside = [](aya::task_group& g, machine* m, actor* who, op const* which) -> aya::task<flow> {
        who->groups[which->id] = &g;
        co_return co_await m->run_body(*who, which->bodies[0]);
    };
    flow const value = co_await aya::with_task_group(inside, this, &a, &o);
    co_return of(value);
}

aya::task<machine::result> machine::put(actor&, op const& o) {
    int const item = o.args[1];
    co_await std::visit([item](auto& q) { return put_into(&q, item); }, queues_[index(o.args[0])]);
    co_return result{"ok"};
}

aya::task<machine::result> machine::get(actor&, op const& o) {
    int const item = co_await std::visit([](auto& q) { return get_from(&q); }, queues_[index(o.args[0])]);
    co_return result{equals(item)};
}

aya::task<machine::result> machine::put_nowait(actor&, op const& o) {
    std::visit([&](auto& q) { q.put_nowait(o.args[1]); }, queues_[index(o.args[0])]);
    co_return result{"ok"};
}

aya::task<machine::result> machine::get_nowait(actor&, op const& o) {
    co_return result{equals(std::visit([](auto& q) { return q.get_nowait(); }, queues_[index(o.args[0])]))};
}

aya::task<machine::result> machine::task_done(actor&, op const& o) {
    std::visit([](auto& q) { q.task_done(); }, queues_[index(o.args[0])]);
    co_return result{"ok"};
}

aya::task<machine::result> machine::join(actor&, op const& o) {
    co_await std::visit([](auto& q) { return join_all(&q); }, queues_[index(o.args[0])]);
    co_return result{"ok"};
}

aya::task<machine::result> machine::shut_down(actor&, op const& o) {
    std::visit([&](auto& q) { q.shutdown(o.args[1] != 0); }, queues_[index(o.args[0])]);
    co_return result{"ok"};
}

aya::task<machine::result> machine::barrier(actor&, op const& o) {
    std::size_t const place = co_await barriers_[index(o.args[0])].wait();
    // asyncio gives a place twice after a cancellation; the model of the dense programs does not.
    co_return result{program_.spread ? std::string("ok") : equals(static_cast<int>(place))};
}

aya::task<machine::result> machine::reset_barrier(actor&, op const& o) {
    barriers_[index(o.args[0])].reset();
    co_return result{"ok"};
}

aya::task<machine::result> machine::abort_barrier(actor&, op const& o) {
    barriers_[index(o.args[0])].abort();
    co_return result{"ok"};
}

aya::task<machine::result> machine::wait_condition(actor& a, op const& o) {
    auto const guard = co_await condition_locks_[index(o.args[0])].lock();
    log(a, o.id, "held");
    co_await settle(a);
    co_await conditions_[index(o.args[0])].wait(guard);
    log(a, o.id, "notified");
    co_await pause(a, o.args[1]);
    co_return result{"ok"};
}

aya::task<machine::result> machine::notify(actor& a, op const& o) {
    auto const guard = co_await condition_locks_[index(o.args[0])].lock();
    log(a, o.id, "held");
    co_await settle(a);
    if (o.args[1] < 0)
        conditions_[index(o.args[0])].notify_all();
    else
        conditions_[index(o.args[0])].notify(o.args[1]);
    co_await pause(a, o.args[2]);
    co_return result{"ok"};
}

aya::task<machine::result> machine::lock(actor& a, op const& o) {
    auto const guard = co_await locks_[index(o.args[0])].lock();
    log(a, o.id, "held");
    co_await settle(a);
    flow const value = co_await run_body(a, o.bodies[0]);
    co_return of(value);
}

aya::task<machine::result> machine::semaphore(actor& a, op const& o) {
    auto const permit = co_await semaphores_[index(o.args[0])].acquire();
    log(a, o.id, "held");
    co_await settle(a);
    flow const value = co_await run_body(a, o.bodies[0]);
    co_return of(value);
}

aya::task<machine::result> machine::set(actor&, op const& o) {
    events_[index(o.args[0])].set();
    co_return result{"ok"};
}

aya::task<machine::result> machine::clear(actor&, op const& o) {
    events_[index(o.args[0])].clear();
    co_return result{"ok"};
}

aya::task<machine::result> machine::wait_event(actor&, op const& o) {
    co_await events_[index(o.args[0])].wait();
    co_return result{"ok"};
}

aya::task<machine::result> machine::wait_future(actor&, op const& o) {
    int const value = co_await futures_[index(o.args[0])].get_future();
    co_return result{equals(value)};
}

aya::task<machine::result> machine::set_future(actor&, op const& o) {
    futures_[index(o.args[0])].set_value(o.args[1]);
    co_return result{"ok"};
}

aya::task<machine::result> machine::cancel_future(actor&, op const& o) {
    std::string const message = o.args[1] == 0 ? "" : "m" + std::to_string(o.args[1]);
    co_return result{futures_[index(o.args[0])].cancel(message) ? "1" : "0"};
}

aya::task<machine::result> machine::raise(actor&, op const& o) {
    if (o.args[0] < 0)
        throw aya::cancelled_error();
    throw user_error{o.args[0]};
    co_return result{}; // never reached; it makes this a coroutine
}

aya::task<machine::result> machine::ret(actor&, op const& o) {
    co_return result{std::to_string(o.args[0]), o.args[0]};
}

aya::task<machine::result> machine::cancel(actor&, op const& o) {
    auto const h = target(o.args[0]);
    if (!h)
        co_return result{"none"};
    std::string const message = o.args[1] == 0 ? "" : "m" + std::to_string(o.args[1]);
    co_return result{h->cancel(message) ? "1" : "0"};
}

aya::task<machine::result> machine::uncancel(actor& a, op const&) {
    co_return result{std::to_string(a.self.uncancel())};
}

aya::task<machine::result> machine::count(actor& a, op const&) {
    co_return result{std::to_string(a.self.cancelling())};
}

aya::task<machine::result> machine::probe(actor&, op const& o) {
    auto const h = target(o.args[0]);
    if (!h)
        co_return result{"none"};
    co_return result{std::string(h->done() ? "1" : "0") + (h->cancelled() ? "1 " : "0 ") +
                     std::to_string(h->cancelling())};
}

aya::task<machine::result> machine::try_op(actor& a, op const& o) {
    std::exception_ptr error;
    flow value;
    try {
        value = co_await run_body(a, o.bodies[0]);
    } catch (...) {
        error = std::current_exception();
    }
    if (error && (o.args[0] & rank(error)) != 0) {
        log(a, o.id, "caught " + describe(error));
        try {
            value = co_await run_body(a, o.bodies[1]);
            if (o.args[1] != 0 || value)
                error = nullptr;
        } catch (...) {
            error = std::current_exception();
        }
    }
    co_await run_body(a, o.bodies[2]);
    if (error)
        std::rethrow_exception(error);
    co_return of(value);
}

} // namespace differential
