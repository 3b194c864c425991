// SPDX-License-Identifier: Apache-2.0
// What surrounds the ops: time, the log, the tasks of a program, and exceptions as text.
#include "machine.hpp"

#include <aya/errors.hpp>
#include <aya/exception_group.hpp>
#include <aya/sleep.hpp>

#include <stdexcept>
#include <utility>
#include <vector>

namespace differential {

namespace {

constexpr int period = 8192, share = 256; // as in interpret.py
constexpr milliseconds horizon{100'000'000};

// Which message a cancellation bears that went through another task differs between versions of asyncio, so it is not compared.
bool forwards(op const& o) {
    return o.name == "await" || o.name == "shield" || o.name == "gather" || o.name == "waitforh" || o.name == "waitf" ||
           o.name == "cwait";
}

} // namespace

std::string describe(std::exception_ptr const& error) {
    try {
        std::rethrow_exception(error);
    } catch (aya::cancelled_error const& e) {
        return "cancelled(" + e.message() + ")";
    } catch (aya::timeout_error const&) {
        return "timeout";
    } catch (aya::exception_group const& e) {
        std::string all;
        for (std::exception_ptr const& one : e.exceptions())
            all += (all.empty() ? "" : ",") + describe(one);
        return "group[" + all + "]";
    } catch (user_error const& e) {
        return "E" + std::to_string(e.id);
    } catch (aya::queue_full const&) {
        return "full";
    } catch (aya::queue_empty const&) {
        return "empty";
    } catch (aya::queue_shut_down const&) {
        return "shutdown";
    } catch (aya::broken_barrier_error const&) {
        return "broken";
    } catch (aya::invalid_state_error const&) {
        return "invalid";
    } catch (std::exception const& e) {
        return std::string("?") + e.what();
    }
}

int rank(std::exception_ptr const& error) {
    try {
        std::rethrow_exception(error);
    } catch (user_error const&) {
        return 1;
    } catch (aya::timeout_error const&) {
        return 2;
    } catch (aya::cancelled_error const&) {
        return 4;
    } catch (aya::exception_group const&) {
        return 8;
    } catch (...) {
        return 16;
    }
}

machine::machine(program const& p) : program_(p), locks_(p.locks), condition_locks_(p.locks), events_(p.events) {
    for (int const kind : p.queues) {
        if (kind >= 200)
            queues_.emplace_back(std::in_place_index<2>, kind - 200);
        else if (kind >= 100)
            queues_.emplace_back(std::in_place_index<1>, kind - 100);
        else
            queues_.emplace_back(std::in_place_index<0>, kind);
    }
    for (aya::mutex& one : condition_locks_) {
        conditions_.emplace_back(one);
        barriers_.emplace_back(static_cast<std::ptrdiff_t>(conditions_.size()) + 1);
    }
    for (int const permits : p.semaphores)
        semaphores_.emplace_back(permits);
}

aya::task<> machine::top(machine* m) {
    m->start_ = aya::now();
    m->futures_.resize(m->program_.events);
    m->keep(0, aya::create_task(m->act(0, &m->program_.main, {})));
    for (int round = 0; round < 30; ++round) {
        co_await aya::sleep(horizon);
        std::vector<aya::any_task_handle> left;
        {
            std::lock_guard const hold(m->mutex_);
            for (auto const& [number, a] : m->actors_)
                if (!a->self.done())
                    left.push_back(a->self);
        }
        if (left.empty())
            co_return;
        for (aya::any_task_handle const& h : left) {
            h.cancel();
            co_await aya::sleep(horizon);
        }
    }
    m->text_ += "stuck\n";
}

milliseconds machine::now() const { return std::chrono::duration_cast<milliseconds>(aya::now() - start_); }

void machine::log(actor const& a, int op, std::string const& text) {
    std::string const line =
        std::to_string(now().count()) + " t" + std::to_string(a.number) + " " + std::to_string(op) + " " + text + "\n";
    std::lock_guard const hold(mutex_);
    text_ += line;
}

// How long it is to the next instant of this actor that is at least `delay` from now.
milliseconds machine::until_instant(actor const& a, milliseconds delay, int place) const {
    auto const current = now().count();
    auto const earliest = current + std::max(delay, milliseconds(1)).count();
    auto const residue = a.number * share + place;
    auto const behind = ((residue - earliest) % period + period) % period;
    return milliseconds(earliest + behind - current);
}

std::optional<milliseconds> machine::deadline(actor& a, int delay) const {
    if (delay < 0)
        return std::nullopt;
    if (!program_.spread || delay == 0)
        return milliseconds(delay);
    ++a.deadlines;
    return until_instant(a, milliseconds(delay), 1 + a.deadlines % (share - 1));
}

std::optional<aya::task_handle<int>> machine::slot(int k) {
    std::lock_guard const hold(mutex_);
    auto const found = slots_.find(k);
    return found == slots_.end() ? std::nullopt : std::optional(found->second);
}

// As slot(), and the children of gathers too, once they have started.
std::optional<aya::any_task_handle> machine::target(int k) {
    if (auto const h = slot(k))
        return aya::any_task_handle(*h);
    std::lock_guard const hold(mutex_);
    auto const found = actors_.find(k);
    return found == actors_.end() ? std::nullopt : std::optional(found->second->self);
}

void machine::keep(int k, aya::task_handle<int> const& h) {
    std::lock_guard const hold(mutex_);
    slots_.emplace(k, h);
}

// Between two ops: goes on at an instant at which no other actor acts.
aya::task<> machine::settle(actor& a) {
    if (program_.spread)
        co_await aya::sleep(until_instant(a, milliseconds(1)));
}

aya::task<> machine::pause(actor& a, int delay) {
    milliseconds const d(delay);
    co_await aya::sleep(program_.spread ? until_instant(a, d) : d);
}

// Settles, however often that is cancelled; gives the first of these errors.
aya::task<std::exception_ptr> machine::settle_in_the_end(actor& a, op const& o) {
    std::exception_ptr first;
    for (;;) {
        try {
            co_await settle(a);
            co_return first;
        } catch (aya::cancelled_error const&) {
            log(a, o.id, "settle !" + describe(std::current_exception()));
            if (!first)
                first = std::current_exception();
        }
    }
}

aya::task<int> machine::act(int number, body const* b, std::map<int, aya::task_group*> groups) {
    auto made = std::make_unique<actor>(actor{number, std::move(groups), {}});
    actor& a = *made;
    a.self = aya::current_task();
    {
        std::lock_guard const hold(mutex_);
        actors_.emplace(number, std::move(made));
    }
    log(a, 0, "start");
    flow value;
    try {
        co_await settle(a);
        value = co_await run_body(a, *b);
    } catch (...) {
        log(a, 0, "end !" + describe(std::current_exception()));
        throw;
    }
    log(a, 0, "end =" + std::to_string(value.value_or(0)));
    co_return value.value_or(0);
}

aya::task<flow> machine::run_body(actor& a, body const& b) {
    for (op const& o : b)
        if (flow const value = co_await run_op(a, o))
            co_return value;
    co_return std::nullopt;
}

aya::task<flow> machine::run_op(actor& a, op const& o) {
    std::exception_ptr error;
    result done;
    try {
        done = co_await (this->*table().at(o.name))(a, o);
    } catch (...) {
        error = std::current_exception();
        if (forwards(o) && rank(error) == 4)
            error = std::make_exception_ptr(aya::cancelled_error());
        done.note = "!" + describe(error);
    }
    log(a, o.id, o.name + " " + done.note);
    if (auto const late = co_await settle_in_the_end(a, o))
        std::rethrow_exception(late);
    if (error)
        std::rethrow_exception(error);
    co_return done.value;
}

} // namespace differential
