// SPDX-License-Identifier: Apache-2.0
// Each run of the scenario is a row of choices. At random, they come from a generator; exhaustively, a run repeats the choices of the one before up
// to the last that has an alternative left, takes that, and the first one from there on: depth first through the tree of all runs.
#include "executors/runtime_core.hpp"
#include "inspect/capture.hpp"
#include "testing/leaks.hpp"

#include <aya/errors.hpp>
#include <aya/runtime.hpp>
#include <aya/task_tree.hpp>
#include <aya/testing.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <exception>
#include <memory>
#include <random>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace aya::inline v1::testing {

namespace {

struct choice {
    std::size_t taken;
    std::size_t of;
};

class explorer final : public detail::step_order {
public:
    explicit explorer(exploration const& options) : options_(options) {
        if (options_.replay.empty())
            return;
        // Numbers between dots, as order() writes them.
        char const* at = options_.replay.data();
        char const* const end = at + options_.replay.size();
        for (;; ++at) {
            std::size_t number = 0;
            auto const [stop, error] = std::from_chars(at, end, number);
            if (error != std::errc() || (stop != end && *stop != '.'))
                detail::throw_invalid_argument("aya::testing::explore: replay must be numbers between dots, as schedule_failure::order() gives them");
            given_.push_back(number);
            at = stop;
            if (at == end)
                return;
        }
    }

    void begin(detail::runtime_core& core, std::size_t schedule) {
        core_ = &core;
        random_.seed(options_.seed + schedule);
        made_ = 0;
        steps_ = 0;
        tree_.clear();
        if (!options_.exhaustive)
            choices_.clear();
    }
    /// Exhaustive: prepares the next run. False when there is none.
    bool advance() {
        choices_.resize(made_); // a run may be shorter than the one before
        while (!choices_.empty() && choices_.back().taken + 1 == choices_.back().of)
            choices_.pop_back();
        if (choices_.empty())
            return false;
        ++choices_.back().taken;
        return true;
    }

    std::size_t choose(std::size_t ready) noexcept override {
        if (++steps_ == options_.steps + 1)
            give_up(fmt::format("more than {} steps: it goes round in circles", options_.steps));
        if (ready == 1)
            return 0;
        std::size_t const i = made_++;
        if (!options_.replay.empty())
            return i < given_.size() && given_[i] < ready ? given_[i] : 0;
        if (options_.exhaustive) {
            if (i == choices_.size())
                choices_.push_back({0, ready});
            choices_[i].of = ready;
            return choices_[i].taken < ready ? choices_[i].taken : 0;
        }
        choices_.push_back({static_cast<std::size_t>(random_() % ready), ready});
        return choices_.back().taken;
    }
    void stuck() noexcept override {
        if (!give_up("all tasks are asleep, and nothing will wake them"))
            std::terminate(); // nobody waits for the tasks but the runtime's end
    }

    [[nodiscard]] std::size_t made() const noexcept { return made_; }
    [[nodiscard]] std::string const& tree() const noexcept { return tree_; }
    [[nodiscard]] std::string order() const {
        if (!options_.replay.empty())
            return options_.replay;
        std::string text;
        for (std::size_t i = 0; i < made_; ++i)
            text += fmt::format("{}{}", i == 0 ? "" : ".", choices_[i].taken);
        return text.empty() ? "0" : text;
    }

private:
    bool give_up(std::string const& why) {
        tree_ = detail::capture(core_->tasks()).text();
        return core_->stop(std::make_exception_ptr(test_failure(why)));
    }

    exploration const& options_;
    detail::runtime_core* core_ = nullptr;
    std::mt19937_64 random_;
    std::vector<std::size_t> given_;
    std::vector<choice> choices_;
    std::size_t made_ = 0;
    std::size_t steps_ = 0;
    std::string tree_; // of the moment when the run was given up
};

std::string text_of(std::exception_ptr const& error) {
    try {
        std::rethrow_exception(error);
    } catch (std::exception const& e) {
        return e.what();
    } catch (cancelled_error const& e) {
        return fmt::format("cancelled: {}", e.what());
    } catch (...) {
        return "an exception of unknown type";
    }
}

} // namespace

exploration_report explore(exploration options, std::function<task<>()> scenario) {
    std::string reported;
    runtime_options how;
    how.scheduler = scheduler_kind::event_loop;
    how.virtual_time = true;
    how.debug = false;
    how.exception_handler = [&](exception_report const& r) {
        reported += fmt::format("{}{}{}\n", r.message, r.exception ? ": " : "", r.exception ? text_of(r.exception) : "");
    };
    explorer order(options);
    exploration_report report;
    runtime rt(how);
    detail::runtime_core& core = detail::runtime_access::core(rt);
    struct end { // of the runtime: in order
        detail::runtime_core& core;
        ~end() { core.set_order(nullptr); }
    } const at_the_end{core};
    core.set_order(&order);
    for (; report.schedules < options.schedules; ++report.schedules) {
        order.begin(core, report.schedules);
        std::string failure;
        try {
            rt.block_on(scenario());
        } catch (...) {
            failure = text_of(std::current_exception()) + "\n" + order.tree();
        }
        if (failure.empty())
            failure = detail::leftovers(rt);
        if (failure.empty())
            failure = reported;
        report.longest = std::max(report.longest, order.made());
        if (!failure.empty())
            throw schedule_failure(fmt::format("schedule {} fails: {}to see it again: exploration{{.replay = \"{}\"}}\n", report.schedules + 1,
                                               failure, order.order()),
                                   order.order(), report.schedules + 1);
        if (!options.replay.empty()) {
            ++report.schedules;
            break;
        }
        if (options.exhaustive && !order.advance()) {
            ++report.schedules;
            report.complete = true;
            break;
        }
    }
    return report;
}

} // namespace aya::inline v1::testing
