// SPDX-License-Identifier: Apache-2.0
// How a task tree is written. Without recursion: tasks may await each other a million deep.
#include <aya/task_tree.hpp>

#include "inspect/capture.hpp"
#include "inspect/json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

namespace aya::inline v1 {

namespace {

constexpr std::size_t deepest_margin = 16; // levels; below that, a number says how deep it is

// What a terminal would obey, as \xNN: names come from the program.
std::string printable(std::string const& text) {
    auto const byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    std::string all;
    for (std::size_t i = 0; i < text.size(); ++i) {
        bool const long_control = byte(i) == 0xc2 && i + 1 < text.size() && byte(i + 1) >= 0x80 && byte(i + 1) < 0xa0; // of Unicode
        if (byte(i) >= 0x20 && byte(i) != 0x7f && !long_control)
            all += text[i];
        else
            all += fmt::format("\\x{:02x}", byte(i));
        if (long_control)
            all += fmt::format("\\x{:02x}", byte(++i));
    }
    return all;
}

double seconds(duration d) { return std::chrono::duration<double>(d).count(); }

class tree_writer {
public:
    explicit tree_writer(std::vector<task_info> const& tasks) : tasks_(tasks) {
        for (std::size_t i = 0; i < tasks.size(); ++i)
            index_[tasks[i].id] = i;
        for (task_info const& t : tasks)
            for (std::uint64_t const id : t.awaits)
                if (id != t.id)
                    awaited_.insert(id);
    }

    std::string write() {
        text_ = fmt::format("{} task{}\n", tasks_.size(), tasks_.size() == 1 ? "" : "s");
        for (std::size_t i = 0; i < tasks_.size(); ++i)
            if (!awaited_.contains(tasks_[i].id))
                write_below(i);
        // Whoever is left is awaited by somebody who is left.
        bool told = false;
        for (std::size_t i = 0; i < tasks_.size(); ++i) {
            if (written_.contains(i))
                continue;
            if (!told)
                text_ += "tasks that wait for each other in a circle:\n";
            told = true;
            write_below(i);
        }
        return std::move(text_);
    }

private:
    struct place {
        std::size_t task;
        std::size_t level;
    };

    void write_below(std::size_t root) {
        std::vector<place> open{{root, 0}};
        while (!open.empty()) {
            place const p = open.back();
            open.pop_back();
            task_info const& t = tasks_[p.task];
            std::string margin(std::min(p.level, deepest_margin) * 4, ' ');
            if (p.level > deepest_margin)
                margin += fmt::format("[{}] ", p.level);
            if (!written_.insert(p.task).second) {
                text_ += fmt::format("{}{} (#{}), see above\n", margin, printable(t.name), t.id);
                continue;
            }
            text_ += fmt::format("{}{}\n", margin, t.text());
            detail::append_stack(t, margin, text_);
            for (auto id = t.awaits.rbegin(); id != t.awaits.rend(); ++id)
                if (auto const found = index_.find(*id); found != index_.end())
                    open.push_back({found->second, p.level + 1});
        }
    }

    std::vector<task_info> const& tasks_;
    std::unordered_map<std::uint64_t, std::size_t> index_;
    std::unordered_set<std::uint64_t> awaited_;
    std::unordered_set<std::size_t> written_;
    std::string text_;
};

std::string_view phase_name(task_phase p) {
    switch (p) {
    case task_phase::ready:
        return "ready";
    case task_phase::waiting:
        return "waiting";
    case task_phase::future:
        return "future";
    case task_phase::done:
        break;
    }
    return "done";
}

} // namespace

void detail::append_stack(task_info const& task, std::string_view margin, std::string& out) {
    for (task_frame const& f : task.stack)
        out += fmt::format("{}  at {}\n", margin, f.text());
    if (!task.whole_stack)
        out += fmt::format("{}  and more coroutines further out\n", margin);
}

std::string task_frame::text() const { return fmt::format("{} ({}:{})", function, file, line); }

std::string task_info::text() const {
    std::string all = fmt::format("{} (#{}): ", printable(name), id);
    switch (phase) {
    case task_phase::ready:
        all += "runs, or is about to";
        break;
    case task_phase::waiting:
        all += fmt::format("waits for {}", printable(waits_for));
        break;
    case task_phase::future:
        all += "not set";
        break;
    case task_phase::done:
        all += "done";
        break;
    }
    if (time_left)
        all += fmt::format(", {:.3f} s left", seconds(*time_left));
    if (waiting_time)
        all += fmt::format(", for {:.3f} s", seconds(*waiting_time));
    if (cancel_requests != 0)
        all += fmt::format(", {} cancel request{}", cancel_requests, cancel_requests == 1 ? "" : "s");
    if (cancel_pending)
        all += ", cancellation pending";
    return all;
}

std::string task_tree::text() const { return tree_writer(tasks).write(); }

std::string task_tree::json() const {
    detail::json_writer out;
    out.begin_object().key("tasks").begin_array();
    for (task_info const& t : tasks) {
        out.begin_object();
        out.key("id").number(t.id).key("name").string(t.name).key("phase").string(phase_name(t.phase));
        if (!t.waits_for.empty())
            out.key("waits_for").string(t.waits_for);
        if (t.time_left)
            out.key("time_left").number(seconds(*t.time_left));
        if (t.waiting_time)
            out.key("waiting_time").number(seconds(*t.waiting_time));
        out.key("cancel_requests").number(t.cancel_requests).key("cancel_pending").boolean(t.cancel_pending);
        out.key("awaits").begin_array();
        for (std::uint64_t const id : t.awaits)
            out.number(id);
        out.end_array().key("stack").begin_array();
        for (task_frame const& f : t.stack)
            out.begin_object().key("function").string(f.function).key("file").string(f.file).key("line").number(f.line).end_object();
        out.end_array();
        if (!t.whole_stack)
            out.key("whole_stack").boolean(false);
        if (!t.created.empty())
            out.key("created").string(t.created);
        out.end_object();
    }
    out.end_array().end_object();
    return out.take();
}

} // namespace aya::inline v1
