// SPDX-License-Identifier: Apache-2.0
// E45: bytes make a program of the differential test (see test/differential/README.md). It runs twice on the event loop, and both logs must be
// the same; a spread one also runs on two workers, where each task's own lines must be the same. No task may be stuck, and no
// exception may be one that the programs do not know.
#include "differential/machine.hpp"
#include "differential/program.hpp"
#include "fuzz/bytes.hpp"

#include <aya/runtime.hpp>

#include <array>
#include <chrono>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace {

using differential::body;
using differential::op;
using differential::program;

/// The generator of programs.py, with bytes in place of chance.
class generator {
public:
    explicit generator(fuzz::bytes source) : in_(source) {}

    program make() {
        program p;
        spread_ = p.spread = in_.one_in(2);
        for (int n = 1 + in_.below(2); n > 0; --n)
            p.queues.push_back(in_.below(4));
        for (int n = 1 + in_.below(2); n > 0; --n)
            p.semaphores.push_back(in_.below(3));
        p.locks = static_cast<std::size_t>(1 + in_.below(2));
        p.events = static_cast<std::size_t>(1 + in_.below(2));
        shape_ = &p;
        scope const outermost;
        p.main = make_body(outermost, 9);
        return p;
    }

private:
    struct scope {
        std::vector<int> groups{}, timeouts{};
        int depth = 0;
        bool cleanup = false;

        [[nodiscard]] scope inner() const {
            scope s = *this;
            ++s.depth;
            return s;
        }
    };
    static constexpr int most_actors = 24, most_ops = 50;

    int delay() {
        static constexpr std::array<int, 7> dense{0, 1, 1, 2, 3, 5, 10};
        if (!spread_)
            return dense[static_cast<std::size_t>(in_.below(7))];
        return in_.one_in(3) ? 0 : 1 + 234 * in_.next();
    }
    int delay_or_none() { return in_.one_in(4) ? -1 : delay(); }

    body make_body(scope const& s, int most) {
        body ops;
        while (!in_.used_up() && static_cast<int>(ops.size()) < most && ids_ < most_ops && !in_.one_in(8)) {
            if (!add(ops, s))
                continue;
            if (ops.back().name == "ret" || ops.back().name == "raise")
                break;
        }
        return ops;
    }
    body task_body(std::vector<int> groups, int depth) {
        scope s;
        s.groups = std::move(groups);
        s.depth = depth + 1;
        return make_body(s, 4);
    }
    int new_actor() { return actors_ < most_actors ? actors_++ : -1; }
    int awaitable() { return awaitable_[static_cast<std::size_t>(in_.below(static_cast<int>(awaitable_.size())))]; }
    static int pick(fuzz::bytes& in, std::vector<int> const& from) { return from[static_cast<std::size_t>(in.below(static_cast<int>(from.size())))]; }

    // Appends one op, with what the reader of the log would miss around it: a limit for those that may wait for ever, a handler for
    // those that may refuse. False when it has nothing to refer to here.
    bool add(body& ops, scope const& s) {
        op o = make_op(s);
        if (o.name.empty())
            return false;
        bool const blocking = o.name == "await" || o.name == "gather" || o.name == "wait" || o.name == "get" || o.name == "put" ||
                              o.name == "join" || o.name == "lock" || o.name == "sem" || o.name == "waitev" || o.name == "group";
        if (blocking && in_.one_in(3)) {
            int const d = delay();
            o = around(std::move(o), in_.one_in(2) ? "timeout" : "waitfor", {d == 0 ? 1 : d});
        }
        if (in_.one_in(3)) {
            o = around(std::move(o), "try", {in_.below(32), in_.below(2)});
            o.bodies.resize(3);
        }
        ops.push_back(std::move(o));
        return true;
    }
    op around(op inside, char const* name, std::vector<int> args) {
        op o;
        o.name = name;
        o.id = ++ids_;
        o.args = std::move(args);
        o.bodies.emplace_back();
        o.bodies.back().push_back(std::move(inside));
        return o;
    }

    op make_op(scope const& s) {
        op o;
        o.id = ++ids_;
        auto const named = [&](char const* name, std::vector<int> args) {
            o.name = name;
            o.args = std::move(args);
        };
        auto const queue = [&] { return in_.below(static_cast<int>(shape_->queues.size())); };
        auto const lock = [&] { return in_.below(static_cast<int>(shape_->locks)); };
        auto const semaphore = [&] { return in_.below(static_cast<int>(shape_->semaphores.size())); };
        auto const event = [&] { return in_.below(static_cast<int>(shape_->events)); };
        int const simple = 20, compound = 9;
        int const choice = in_.below(s.depth < 6 ? simple + compound : simple);
        switch (choice) {
        case 0:
            named("sleep", {delay()});
            break;
        case 1:
            named("yield", {});
            break;
        case 2:
        case 3:
            if (!awaitable_.empty())
                named(choice == 2 ? "await" : "shield", {awaitable()});
            break;
        case 4:
            if (!awaitable_.empty()) {
                named("wait", {in_.below(3), delay_or_none()});
                for (int n = 1 + in_.below(3); n > 0; --n)
                    o.args.push_back(awaitable());
            }
            break;
        case 5:
            if (!awaitable_.empty())
                named("waitforh", {delay(), awaitable()});
            break;
        case 6:
            if (!s.timeouts.empty())
                named("resched", {pick(in_, s.timeouts), delay_or_none()});
            break;
        case 7:
        case 8:
            named(choice == 7 ? "put" : "putn", {queue(), o.id});
            break;
        case 9:
        case 10:
            named(choice == 9 ? "get" : "getn", {queue()});
            break;
        case 11:
            named(in_.one_in(2) ? "done" : "join", {queue()});
            break;
        case 12:
        case 13:
        case 14:
            named(choice == 12 ? "set" : choice == 13 ? "clear" : "waitev", {event()});
            break;
        case 15:
            named("raise", {in_.one_in(7) ? -1 : o.id});
            break;
        case 16:
            if (!s.cleanup)
                named("ret", {o.id});
            break;
        case 17:
            named("cancel", {in_.below(actors_), in_.one_in(2) ? o.id : 0});
            break;
        case 18:
            named(in_.one_in(2) ? "uncancel" : "count", {});
            break;
        case 19:
            named("probe", {in_.below(actors_)});
            break;
        case 20:
        case 21: {
            // A group outlives the child that is made in it: the child may use that group and those around it.
            bool const in_group = choice == 21 && !s.groups.empty();
            std::size_t const place = in_group ? static_cast<std::size_t>(in_.below(static_cast<int>(s.groups.size()))) : 0;
            int const k = new_actor();
            if (k < 0)
                break;
            if (in_group)
                named("gspawn", {s.groups[place], k});
            else
                named("spawn", {k});
            o.bodies.push_back(in_group ? task_body({s.groups.begin(), s.groups.begin() + static_cast<std::ptrdiff_t>(place) + 1}, s.depth)
                                        : task_body({}, s.depth));
            awaitable_.push_back(k);
            break;
        }
        case 22:
            named("gather", {in_.below(2)});
            for (int n = in_.below(4); n > 0; --n) {
                if (!awaitable_.empty() && in_.one_in(3)) {
                    o.args.push_back(awaitable());
                } else if (int const k = new_actor(); k >= 0) {
                    o.args.push_back(-1 - k);
                    o.bodies.push_back(task_body({}, s.depth));
                }
            }
            break;
        case 23: {
            int const d = delay();
            named("waitfor", {d == 0 ? 1 : d});
            o.bodies.push_back(make_body(s.inner(), 4));
            break;
        }
        case 24: {
            named("timeout", {delay_or_none()});
            scope inside = s.inner();
            inside.timeouts.push_back(o.id);
            o.bodies.push_back(make_body(inside, 4));
            break;
        }
        case 25: {
            named("group", {});
            scope inside = s.inner();
            inside.groups.push_back(o.id);
            o.bodies.push_back(make_body(inside, 5));
            break;
        }
        case 26:
        case 27:
            if (choice == 26)
                named("lock", {lock()});
            else
                named("sem", {semaphore()});
            o.bodies.push_back(make_body(s.inner(), 4));
            break;
        default: {
            named("try", {in_.below(32), in_.below(2)});
            scope cleanup = s.inner();
            cleanup.cleanup = true;
            o.bodies.push_back(make_body(s.inner(), 4));
            o.bodies.push_back(make_body(s.inner(), 2));
            o.bodies.push_back(make_body(cleanup, 2));
            break;
        }
        }
        return o;
    }

    fuzz::bytes in_;
    program const* shape_ = nullptr;
    std::vector<int> awaitable_{}; // tasks whose making op comes before, so that no circle can arise
    bool spread_ = false;
    int actors_ = 1;
    int ids_ = 0;
};

/// A runtime that is made anew before its virtual time ends.
class stage {
public:
    explicit stage(std::size_t workers) : workers_(workers) {}

    std::string play(program const& p) {
        if (++plays_ % 200 == 1)
            renew();
        differential::machine m(p);
        runtime_->block_on(&differential::machine::top, &m);
        return m.text();
    }

private:
    void renew() {
        runtime_.reset();
        aya::runtime_options options;
        options.scheduler = workers_ == 0 ? aya::scheduler_kind::event_loop : aya::scheduler_kind::thread_pool;
        options.workers = workers_;
        options.virtual_time = true;
        options.exception_handler = [](aya::exception_report const&) {};
        runtime_ = std::make_unique<aya::runtime>(options);
    }

    std::size_t workers_;
    std::size_t plays_ = 0;
    std::unique_ptr<aya::runtime> runtime_;
};

/// The lines of each task, in their order.
std::map<std::string, std::string> by_task(std::string const& log) {
    std::map<std::string, std::string> all;
    std::istringstream in(log);
    for (std::string line; std::getline(in, line);) {
        std::istringstream words(line);
        std::string time, task;
        words >> time >> task;
        all[task] += line + "\n";
    }
    return all;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    static stage loop(0), workers(2);
    program const p = generator(fuzz::bytes(data, size)).make();
    std::string const log = loop.play(p);
    fuzz::require(log.find("stuck") == std::string::npos, "tasks that do not end when they are cancelled");
    fuzz::require(log.find('?') == std::string::npos, "an exception that no op throws");
    fuzz::require(loop.play(p) == log, "the event loop gives two logs for one program");
    if (p.spread)
        fuzz::require(by_task(workers.play(p)) == by_task(log), "on two workers a task's log is another one than on the event loop");
    return 0;
}
