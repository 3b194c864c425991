// SPDX-License-Identifier: Apache-2.0
#include <aya/task_tree.hpp>

#include "executors/runtime_core.hpp"
#include "inspect/capture.hpp"
#include "inspect/function_name.hpp"
#include "task/registry.hpp"
#include "task/snapshot.hpp"

#include <aya/errors.hpp>
#include <aya/runtime.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <ostream>
#include <unordered_map>
#include <unordered_set>
#include <utility>

namespace aya::inline v1::detail {

namespace {

std::vector<task_frame> frames(std::vector<std::source_location> const& stack) {
    std::vector<task_frame> all;
    for (std::source_location const& where : stack) {
        std::string name = function_name(where.function_name());
        if (!is_plumbing(name))
            all.push_back({std::move(name), std::string(file_name(where.file_name())), where.line()});
    }
    return all;
}

std::string waits_for(wait_description const& wait) {
    std::string text = wait.what;
    if (wait.count > 1 || (wait.count != 0 && wait.what != std::string_view("task") && wait.what != std::string_view("shield")))
        text += fmt::format(" of {} task{}", wait.count, wait.count == 1 ? "" : "s");
    if (wait.object != nullptr)
        text += fmt::format(" {}", wait.object);
    if (wait.descriptor >= 0)
        text += fmt::format(" on fd {}", wait.descriptor);
    return text;
}

task_info describe(task_state& t, time_point now, std::vector<state_reference>& awaited) {
    task_snapshot seen = task_inspector::look(t);
    task_info info;
    info.id = t.id();
    info.name = t.name();
    info.created = t.created();
    info.cancel_pending = seen.cancel_pending;
    info.cancel_requests = seen.cancel_requests;
    switch (seen.now) {
    case task_snapshot::phase::ready:
        info.phase = task_phase::ready;
        break;
    case task_snapshot::phase::future:
        info.phase = task_phase::future;
        info.from_outside = true;
        break;
    case task_snapshot::phase::done:
        info.phase = task_phase::done;
        break;
    case task_snapshot::phase::waiting:
        info.phase = task_phase::waiting;
        info.waits_for = waits_for(seen.wait);
        info.from_outside = seen.wait.from_outside;
        info.stack = frames(seen.stack);
        info.whole_stack = seen.whole_stack;
        if (seen.wait.until != wait_description::no_time)
            info.time_left = std::max(duration(seen.wait.until) - now.time_since_epoch(), duration::zero());
        if (seen.stepped != wait_description::no_time)
            info.waiting_time = std::max(now.time_since_epoch() - duration(seen.stepped), duration::zero());
        for (state_reference const& a : seen.awaited.tasks)
            info.awaits.push_back(a->id());
        break;
    }
    awaited = std::move(seen.awaited.tasks);
    return info;
}

} // namespace

task_tree capture(scheduler& home) {
    time_point const now = home.now();
    std::vector<state_reference> open = home.registry().snapshot();
    std::unordered_set<task_state const*> known;
    for (state_reference const& t : open)
        known.insert(t.get());
    task_tree tree;
    tree.tasks.reserve(open.size());
    std::vector<state_reference> awaited;
    // What a task awaits may be in no registry: children of a gather, futures.
    for (std::size_t i = 0; i < open.size(); ++i) {
        state_reference const t = open[i];
        task_info info = describe(*t, now, awaited);
        if (info.phase != task_phase::done)
            tree.tasks.push_back(std::move(info));
        for (state_reference& a : awaited)
            if (known.insert(a.get()).second)
                open.push_back(std::move(a));
    }
    std::sort(tree.tasks.begin(), tree.tasks.end(), [](task_info const& a, task_info const& b) { return a.id < b.id; });
    return tree;
}

namespace {

class graph_builder {
public:
    explicit graph_builder(task_tree const& tree) : tree_(&tree) {
        for (std::size_t i = 0; i < tree.tasks.size(); ++i)
            for (std::uint64_t const id : tree.tasks[i].awaits)
                waiters_[id].push_back(i);
    }

    // Depth first, so that what is left out as seen was seen further up in the text too. The depth is bounded, since a graph holds its
    // levels one in the other, and is copied and freed by recursion.
    call_graph from(task_info info, std::size_t level = 0) {
        call_graph graph{std::move(info), {}};
        auto const found = waiters_.find(graph.task.id);
        if (followed_.contains(graph.task.id)) {
            graph.seen_above = true;
        } else if (found != waiters_.end()) {
            graph.cut = level == most_levels;
            if (!graph.cut) {
                followed_.insert(graph.task.id);
                for (std::size_t const i : found->second)
                    graph.awaited_by.push_back(from(tree_->tasks[i], level + 1));
            }
        }
        return graph;
    }

private:
    static constexpr std::size_t most_levels = 500;

    task_tree const* tree_;
    std::unordered_map<std::uint64_t, std::vector<std::size_t>> waiters_;
    std::unordered_set<std::uint64_t> followed_; // those that somebody waits for
};

void format_graph(call_graph const& graph, std::size_t level, std::string& out) {
    constexpr std::size_t deepest_margin = 16; // as in a tree: below that, a number says how deep it is
    std::string margin(std::min(level, deepest_margin) * 4, ' ');
    if (level > deepest_margin)
        margin += fmt::format("[{}] ", level);
    out += fmt::format("{}{}{}\n", margin, graph.task.text(), graph.seen_above ? ", see above" : "");
    if (graph.seen_above)
        return;
    append_stack(graph.task, margin, out);
    if (graph.cut)
        out += fmt::format("{}  awaited by more\n", margin);
    if (!graph.awaited_by.empty())
        out += fmt::format("{}  awaited by\n", margin);
    for (call_graph const& g : graph.awaited_by)
        format_graph(g, level + 1, out);
}

} // namespace

call_graph call_graph_awaiter::await_resume() const {
    task_snapshot here;
    here.stack.reserve(task_inspector::deepest_stack);
    task_inspector::walk(here_, here);
    task_state& self = this_task("aya::capture_call_graph");
    std::vector<state_reference> awaited;
    task_info info = describe(self, self.home().now(), awaited);
    info.stack = frames(here.stack);
    info.whole_stack = here.whole_stack;
    task_tree const tree = capture(self.home());
    return graph_builder(tree).from(std::move(info));
}

} // namespace aya::inline v1::detail

namespace aya::inline v1 {

task_tree capture_tasks(runtime& rt) { return detail::capture(detail::runtime_access::tasks(rt)); }

task_tree capture_tasks() { return detail::capture(detail::this_scheduler("aya::capture_tasks")); }

void dump_tasks(runtime& rt, std::ostream& out) { out << capture_tasks(rt).text(); }

void dump_tasks(std::ostream& out) { out << capture_tasks().text(); }

call_graph capture_call_graph(any_task_handle const& of) {
    task_tree const tree = capture_tasks();
    auto const& state = *detail::handle_access::checked(of);
    for (task_info const& t : tree.tasks)
        if (t.id == state.id())
            return detail::graph_builder(tree).from(t);
    task_info info;
    info.id = state.id();
    info.name = of.name();
    info.phase = of.done() ? task_phase::done : task_phase::ready;
    return {std::move(info), {}};
}

std::string format_call_graph(call_graph const& graph) {
    std::string text;
    detail::format_graph(graph, 0, text);
    return text;
}

void print_call_graph(call_graph const& graph, std::ostream& out) { out << format_call_graph(graph); }

} // namespace aya::inline v1
