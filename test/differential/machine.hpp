// SPDX-License-Identifier: Apache-2.0
// The interpreter of one program: the ops in terms of aya, the log, and what the tasks share.
#pragma once

#include "program.hpp"

#include <aya/future.hpp>
#include <aya/queue.hpp>
#include <aya/sync/barrier.hpp>
#include <aya/sync/condition_variable.hpp>
#include <aya/sync/event.hpp>
#include <aya/sync/mutex.hpp>
#include <aya/sync/semaphore.hpp>
#include <aya/task.hpp>
#include <aya/task_group.hpp>
#include <aya/task_handle.hpp>
#include <aya/time.hpp>
#include <aya/timeout.hpp>

#include <chrono>
#include <deque>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <variant>

namespace differential {

using milliseconds = std::chrono::milliseconds;
using flow = std::optional<int>; // what a `ret` returned, if there was one
using any_queue = std::variant<aya::queue<int>, aya::lifo_queue<int>, aya::priority_queue<int>>;

struct user_error {
    int id;
};

/// An exception as the log has it; `rank` is its bit in a try's mask.
std::string describe(std::exception_ptr const& error);
int rank(std::exception_ptr const& error);

/// A task of the program.
struct actor {
    int number;
    std::map<int, aya::task_group*> groups;
    std::map<int, aya::timeout_scope*> timeouts;
    int deadlines = 0;
    aya::any_task_handle self{};
};

class machine {
public:
    explicit machine(program const& p);

    /// Runs the program; when nothing happens any more, cancels what is left, one by one.
    static aya::task<> top(machine* m);
    [[nodiscard]] std::string const& text() const { return text_; }
    /// When the program began, on the runtime's clock.
    [[nodiscard]] aya::time_point start() const { return start_; }

private:
    // The result of an op: the note for the log, and the value of a `ret` in one of its bodies.
    struct result {
        std::string note;
        flow value{};
    };
    using member = aya::task<result> (machine::*)(actor&, op const&);
    static std::map<std::string, member> const& table();

    [[nodiscard]] milliseconds now() const;
    void log(actor const& a, int op, std::string const& text);
    [[nodiscard]] milliseconds until_instant(actor const& a, milliseconds delay, int place = 0) const;
    [[nodiscard]] std::optional<milliseconds> deadline(actor& a, int delay) const;
    [[nodiscard]] std::optional<aya::task_handle<int>> slot(int k);
    [[nodiscard]] std::optional<aya::any_task_handle> target(int k);
    void keep(int k, aya::task_handle<int> const& h);

    aya::task<> settle(actor& a);
    aya::task<> pause(actor& a, int delay);
    aya::task<std::exception_ptr> settle_in_the_end(actor& a, op const& o);
    aya::task<int> act(int number, body const* b, std::map<int, aya::task_group*> groups);
    aya::task<flow> run_body(actor& a, body const& b);
    aya::task<flow> run_op(actor& a, op const& o);
    static result of(flow value) { return {value ? "ret " + std::to_string(*value) : "ok", value}; }

    aya::task<result> sleep(actor&, op const&);
    aya::task<result> yield(actor&, op const&);
    aya::task<result> spawn(actor&, op const&);
    aya::task<result> spawn_eagerly(actor&, op const&);
    aya::task<result> spawn_in_group(actor&, op const&);
    aya::task<result> await(actor&, op const&);
    aya::task<result> shield(actor&, op const&);
    aya::task<result> gather(actor&, op const&);
    aya::task<result> wait(actor&, op const&);
    aya::task<result> as_completed(actor&, op const&);
    aya::task<result> wait_for(actor&, op const&);
    aya::task<result> wait_for_handle(actor&, op const&);
    aya::task<result> timeout(actor&, op const&);
    aya::task<result> reschedule(actor&, op const&);
    aya::task<result> group(actor&, op const&);
    aya::task<result> put(actor&, op const&);
    aya::task<result> get(actor&, op const&);
    aya::task<result> put_nowait(actor&, op const&);
    aya::task<result> get_nowait(actor&, op const&);
    aya::task<result> task_done(actor&, op const&);
    aya::task<result> join(actor&, op const&);
    aya::task<result> shut_down(actor&, op const&);
    aya::task<result> barrier(actor&, op const&);
    aya::task<result> reset_barrier(actor&, op const&);
    aya::task<result> abort_barrier(actor&, op const&);
    aya::task<result> wait_condition(actor&, op const&);
    aya::task<result> notify(actor&, op const&);
    aya::task<result> lock(actor&, op const&);
    aya::task<result> semaphore(actor&, op const&);
    aya::task<result> set(actor&, op const&);
    aya::task<result> clear(actor&, op const&);
    aya::task<result> wait_event(actor&, op const&);
    aya::task<result> wait_future(actor&, op const&);
    aya::task<result> set_future(actor&, op const&);
    aya::task<result> cancel_future(actor&, op const&);
    aya::task<result> raise(actor&, op const&);
    aya::task<result> ret(actor&, op const&);
    aya::task<result> cancel(actor&, op const&);
    aya::task<result> uncancel(actor&, op const&);
    aya::task<result> count(actor&, op const&);
    aya::task<result> probe(actor&, op const&);
    aya::task<result> try_op(actor&, op const&);

    program const& program_;
    aya::time_point start_{};
    std::deque<any_queue> queues_;
    std::deque<aya::semaphore> semaphores_;
    std::deque<aya::mutex> locks_;
    std::deque<aya::mutex> condition_locks_; // as many conditions and barriers
    std::deque<aya::condition_variable> conditions_;
    std::deque<aya::barrier> barriers_;
    std::deque<aya::event> events_;
    std::deque<aya::promise<int>> futures_; // as many as events; made in the runtime
    std::mutex mutex_; // guards all below
    std::string text_;
    std::map<int, aya::task_handle<int>> slots_;
    std::map<int, std::unique_ptr<actor>> actors_;
};

} // namespace differential
