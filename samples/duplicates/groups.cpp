// SPDX-License-Identifier: Apache-2.0
#include "groups.hpp"

#include <algorithm>
#include <iterator>
#include <tuple>
#include <unordered_set>
#include <utility>

namespace duplicates {

void collector::add(pairs const& compared) {
    for (pair const& two : compared) {
        if (two.group >= groups_.size()) {
            groups_.resize(two.group + 1);
        }
        group& of = groups_[two.group];
        of.representative = two.representative;
        if (two.result == verdict::equal) {
            of.members.push_back(two.member);
        } else if (two.result == verdict::different || two.result == verdict::no_representative) {
            of.rejected.push_back(two.member);
        }
    }
}

pairs collector::rematch() {
    pairs again;
    std::size_t next = groups_.size();
    for (group& of : groups_) {
        for (std::size_t i = 1; i < of.rejected.size(); ++i) {
            again.emplace_back(next, of.rejected.front(), of.rejected[i]);
        }
        next += of.rejected.size() > 1 ? 1 : 0;
        of.rejected.clear();
    }
    return again;
}

namespace {

result result_of(std::vector<file const*> files, bool every_name) {
    auto const identity = [](file const* f) { return std::tuple(f->device, f->inode); };
    std::sort(files.begin(), files.end(),
              [&](file const* a, file const* b) { return identity(a) < identity(b); });
    result out;
    out.size = files.front()->size;
    std::vector<std::string> names;
    for (std::size_t i = 0; i < files.size(); ++i) {
        for (file const* f = files[i]; f != nullptr; f = f->next_link) {
            names.push_back(path_of(*f));
        }
        if (i + 1 < files.size() && identity(files[i]) == identity(files[i + 1])) {
            continue;  // a file that is mounted at two places is still one file
        }
        if (!every_name) {
            names = {*std::min_element(names.begin(), names.end())};
        }
        std::move(names.begin(), names.end(), std::back_inserter(out.paths));
        names.clear();
    }
    std::sort(out.paths.begin(), out.paths.end());
    // A file with several links that was named on the command line as well has one of its names twice.
    out.paths.erase(std::unique(out.paths.begin(), out.paths.end()), out.paths.end());
    return out;
}

}  // namespace

std::vector<result> sorted_results(collector const& found, std::vector<file*> const& linked,
                                   bool every_name) {
    std::vector<result> results;
    std::unordered_set<file const*> grouped;
    for (collector::group const& of : found.groups()) {
        if (of.members.empty()) {
            continue;
        }
        std::vector<file const*> files(of.members.begin(), of.members.end());
        files.push_back(of.representative);
        if (every_name) {
            grouped.insert(files.begin(), files.end());
        }
        results.push_back(result_of(std::move(files), every_name));
    }
    if (every_name) {
        for (file const* f : linked) {
            if (!grouped.contains(f)) {
                results.push_back(result_of({f}, true));
            }
        }
    }
    std::erase_if(results, [](result const& one) { return one.paths.size() < 2; });
    std::sort(results.begin(), results.end(), [](result const& a, result const& b) {
        return a.size != b.size ? a.size > b.size : a.paths.front() < b.paths.front();
    });
    return results;
}

}  // namespace duplicates
