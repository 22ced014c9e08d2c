// SPDX-License-Identifier: BSL-1.0
#include "summary.hpp"

#include "values.hpp"

#include <boost/json.hpp>
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <map>
#include <ostream>

namespace snapshot {

namespace {

// Linux keeps getrusage's peak over an exec, so that it may be the parent's; VmHWM is this program's own.
long peak_memory_kib() {
    std::ifstream status("/proc/self/status");
    for (std::string word; status >> word;)
        if (long kib = 0; word == "VmHWM:" && status >> kib)
            return kib;
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

void print_group(std::ostream& out, char const* what, std::string const& why,
                 std::vector<std::string_view> const& ids) {
    constexpr std::size_t shown = 10;
    out << what << " (" << ids.size() << ')' << (why.empty() ? "" : ", ") << printable(why) << ": ";
    for (std::size_t i = 0; i < ids.size() && i < shown; ++i)
        out << (i == 0 ? "" : ", ") << printable(ids[i]);
    if (ids.size() > shown)
        out << " … and " << ids.size() - shown << " more";
    out << '\n';
}

double seconds(std::chrono::nanoseconds d) { return std::chrono::duration<double>(d).count(); }

std::vector<std::string_view> views(std::vector<std::string> const& ids) { return {ids.begin(), ids.end()}; }

void print_rejected(std::ostream& out, summary const& s) {
    constexpr std::size_t shown = 10;
    std::map<std::string, std::vector<std::string_view>> by_cause;
    for (auto const& video : s.rejected)
        by_cause[video.why].push_back(video.id);
    std::size_t printed = 0;
    std::size_t rest = s.rejected.size();
    for (auto const& [why, ids] : by_cause) {
        if (printed++ == shown)
            break;
        print_group(out, "rejected", why, ids);
        rest -= ids.size();
    }
    if (rest != 0)
        out << "rejected (" << rest << ") for " << by_cause.size() - shown << " other causes\n";
}

void print_throttled(std::ostream& out, summary const& s) {
    if (s.throttled == 0)
        return;
    out << s.throttled << (s.throttled == 1 ? " reply was throttled" : " replies were throttled");
    if (s.limit_at_end)
        out << "; the limit ended at " << *s.limit_at_end;
    out << '\n';
}

// null where the writes under way at once have no fixed bound.
boost::json::value fixed_limit(limit_argument const& limit) {
    auto const* window = std::get_if<window_limit>(&limit.what);
    return window ? boost::json::value(window->permits) : boost::json::value();
}

} // namespace

summary make_summary(std::vector<video> const& pending, ledger const& book, std::size_t already,
                     entries_of_day const* after) {
    summary out;
    out.videos = already + pending.size();
    out.already = already;
    out.fulfilled = already;
    for (std::size_t i = 0; i < pending.size(); ++i) {
        auto const& entry = book.entries()[i];
        bool const told = entry.what == fanout::state::fulfilled;
        if (after ? after->contains(pending[i].id) : told)
            ++out.fulfilled;
        else if (entry.what == fanout::state::not_started)
            out.not_started.push_back(pending[i].id);
        else
            out.rejected.push_back(
                {pending[i].id, told ? "reported as written, but not there when read back" : entry.why});
    }
    if (after) {
        out.doubled.emplace();
        for (auto const& [id, count] : *after)
            if (count > 1)
                out.doubled->push_back(id);
        std::sort(out.doubled->begin(), out.doubled->end());
    }
    out.seconds = seconds(book.wall_time());
    out.parallelism = book.effective_parallelism();
    out.attempts = book.started();
    out.retries = book.retried();
    out.throttled = book.throttled();
    out.peak_in_flight = book.peak_in_flight();
    out.account = pending.empty() ? std::string() : book.text();
    out.latency = {seconds(book.quantile(0.5)), seconds(book.quantile(0.9)), seconds(book.quantile(0.99)),
                   seconds(book.slowest())};
    out.waited = seconds(book.waited());
    out.peak_memory_kib = peak_memory_kib();
    return out;
}

std::string last_line(summary const& s) {
    char numbers[96];
    std::snprintf(numbers, sizeof numbers, "%.3f s, parallelism %.1f", s.seconds, s.parallelism);
    return "snapshot: " + std::to_string(s.fulfilled) + " fulfilled, " + std::to_string(s.rejected.size()) +
           " rejected, " + std::to_string(s.not_started.size()) + " not started, " +
           (s.doubled ? std::to_string(s.doubled->size()) : std::string("?")) + " doubled; " + numbers;
}

void print_text(std::ostream& out, summary const& s, arguments const& all) {
    out << s.videos << " videos, " << s.already << " of them recorded for " << all.day
        << " before this run\n";
    out << how_text(all) << '\n';
    print_rejected(out, s);
    if (!s.not_started.empty())
        print_group(out, "not started", "", views(s.not_started));
    if (s.doubled && !s.doubled->empty())
        print_group(out, "doubled", "", views(*s.doubled));
    if (!s.account.empty())
        out << s.account << '\n';
    char memory[64];
    std::snprintf(memory, sizeof memory, "peak memory: %.1f MiB",
                  static_cast<double>(s.peak_memory_kib) / 1024);
    out << memory << '\n';
    print_throttled(out, s);
    out << last_line(s) << '\n';
}

void print_json(std::ostream& out, summary const& s, arguments const& all) {
    namespace json = boost::json;
    json::array rejected;
    for (auto const& video : s.rejected)
        rejected.push_back(json::object{{"id", video.id}, {"error", video.why}});
    auto const list = [](std::vector<std::string> const& ids) { return json::array(ids.begin(), ids.end()); };
    json::object const report{
        {"date", all.day},
        {"strategy", to_string(all.how)},
        {"limit", fixed_limit(all.limit)},
        {"limit_given", all.limit.given},
        {"videos", s.videos},
        {"already_recorded", s.already},
        {"fulfilled", s.fulfilled},
        {"rejected", std::move(rejected)},
        {"not_started", list(s.not_started)},
        {"doubled", s.doubled ? json::value(list(*s.doubled)) : json::value()},
        {"seconds", s.seconds},
        {"parallelism", s.parallelism},
        {"attempts", s.attempts},
        {"retries", s.retries},
        {"latency",
         json::object{
             {"p50", s.latency.p50}, {"p90", s.latency.p90}, {"p99", s.latency.p99}, {"max", s.latency.max}}},
        {"waited", s.waited},
        {"throttled_replies", s.throttled},
        {"limit_at_end", s.limit_at_end ? json::value(*s.limit_at_end) : json::value()},
        {"peak_in_flight", s.peak_in_flight},
        {"peak_memory_kib", s.peak_memory_kib},
    };
    out << json::serialize(report) << '\n' << last_line(s) << '\n';
}

} // namespace snapshot
