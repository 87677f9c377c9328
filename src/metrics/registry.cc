#include "metrics/registry.h"

#include <fmt/format.h>

#include <cmath>
#include <map>
#include <optional>
#include <variant>

#include "base/assert.h"

namespace spillway::metrics {
namespace {

// `le` of the histogram series: 1-2.5-5 per decade, 50 µs to 60 s.
struct Bound {
  nanoseconds duration;
  std::string_view seconds;
};
constexpr Bound kBounds[] = {
    {nanoseconds{50'000}, "0.00005"},    {nanoseconds{100'000}, "0.0001"},
    {nanoseconds{250'000}, "0.00025"},   {nanoseconds{500'000}, "0.0005"},
    {nanoseconds{1'000'000}, "0.001"},   {nanoseconds{2'500'000}, "0.0025"},
    {nanoseconds{5'000'000}, "0.005"},   {nanoseconds{10'000'000}, "0.01"},
    {nanoseconds{25'000'000}, "0.025"},  {nanoseconds{50'000'000}, "0.05"},
    {nanoseconds{100'000'000}, "0.1"},   {nanoseconds{250'000'000}, "0.25"},
    {nanoseconds{500'000'000}, "0.5"},   {nanoseconds{1'000'000'000}, "1"},
    {nanoseconds{2'500'000'000}, "2.5"}, {nanoseconds{5'000'000'000}, "5"},
    {nanoseconds{10'000'000'000}, "10"}, {nanoseconds{30'000'000'000}, "30"},
    {nanoseconds{60'000'000'000}, "60"},
};

// A function that may be taken away while the text is being made: whoever takes it away waits for
// the call under way, since what the function refers to is usually about to die.
struct Computed {
  std::mutex mutex;
  std::function<void(std::string& to, std::string_view name)> write;  // its sample, or samples
};

using Series = std::variant<std::unique_ptr<Counter>, std::unique_ptr<Gauge>,
                            std::unique_ptr<Histogram>, std::weak_ptr<Computed>>;

enum class Type { kCounter, kGauge, kHistogram };

struct Family {
  Type type;
  std::string help;
  std::map<std::string, Series> series;  // by their labels as written: a="1",b="2"
};

std::string_view type_name(Type type) {
  switch (type) {
    case Type::kCounter:
      return "counter";
    case Type::kGauge:
      return "gauge";
    case Type::kHistogram:
      return "histogram";
  }
  return "untyped";
}

void append_escaped(std::string& to, std::string_view text, bool quote) {
  for (const char c : text) {
    if (c == '\\')
      to += "\\\\";
    else if (c == '\n')
      to += "\\n";
    else if (c == '"' && quote)
      to += "\\\"";
    else
      to += c;
  }
}

std::string written(const Labels& labels) {
  std::string text;
  for (const auto& [key, value] : labels) {
    if (!text.empty()) text += ',';
    text += key;
    text += "=\"";
    append_escaped(text, value, true);
    text += '"';
  }
  return text;
}

std::string number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  return fmt::format("{}", value);
}

void append_sample(std::string& to, std::string_view name, std::string_view suffix,
                   std::string_view labels, std::string_view value) {
  to += name;
  to += suffix;
  if (!labels.empty()) fmt::format_to(std::back_inserter(to), "{{{}}}", labels);
  to += ' ';
  to += value;
  to += '\n';
}

void append_histogram(std::string& to, std::string_view name, const std::string& labels,
                      const Histogram& histogram) {
  const std::string before = labels.empty() ? "" : labels + ",";
  // Read first: what is recorded meanwhile must not make a bound's count larger than the total.
  std::uint64_t below[std::size(kBounds)];
  for (std::size_t i = 0; i < std::size(kBounds); ++i)
    below[i] = histogram.count_up_to(kBounds[i].duration);
  const auto sum = histogram.sum();
  const std::string count = std::to_string(histogram.count());
  for (std::size_t i = 0; i < std::size(kBounds); ++i)
    append_sample(to, name, "_bucket", fmt::format("{}le=\"{}\"", before, kBounds[i].seconds),
                  std::to_string(below[i]));
  append_sample(to, name, "_bucket", before + "le=\"+Inf\"", count);
  append_sample(to, name, "_sum", labels, number(static_cast<double>(sum.count()) / 1e9));
  append_sample(to, name, "_count", labels, count);
}

}  // namespace

struct Registry::State {
  mutable std::mutex mutex;
  std::map<std::string, Family, std::less<>> families;

  // A series that `write` writes until the handle is gone.
  std::shared_ptr<void> add_computed(
      std::string_view name, std::string_view help, Type type, const std::string& labels,
      std::function<void(std::string& to, std::string_view name)> write) {
    auto computed = std::make_shared<Computed>();
    computed->write = std::move(write);
    {
      const std::lock_guard lock(mutex);
      auto& series = family(name, help, type).series;
      series.insert_or_assign(labels, std::weak_ptr<Computed>(computed));
    }
    // The handle doesn't refer to the registry, and may outlive it.
    auto* slot = computed.get();
    return {slot, [computed = std::move(computed)](void*) {
              const std::lock_guard lock(computed->mutex);
              computed->write = nullptr;
            }};
  }

  // With the mutex held. One name has one type: anything else is a mistake in the program.
  Family& family(std::string_view name, std::string_view help, Type type) {
    auto it = families.find(name);
    if (it == families.end())
      it = families.emplace(std::string(name), Family{type, std::string(help), {}}).first;
    SPILLWAY_ASSERT(it->second.type == type);
    return it->second;
  }

  template <typename T>
  T& get(std::string_view name, std::string_view help, const Labels& labels, Type type) {
    const std::lock_guard lock(mutex);
    auto& series = family(name, help, type).series;
    auto it = series.find(written(labels));
    if (it == series.end()) it = series.emplace(written(labels), std::make_unique<T>()).first;
    auto* held = std::get_if<std::unique_ptr<T>>(&it->second);
    SPILLWAY_ASSERT(held != nullptr);
    return **held;
  }
};

Registry::Registry() : state_(std::make_unique<State>()) {}
Registry::~Registry() = default;

Counter& Registry::counter(std::string_view name, std::string_view help, Labels labels) {
  return state_->get<Counter>(name, help, labels, Type::kCounter);
}

Gauge& Registry::gauge(std::string_view name, std::string_view help, Labels labels) {
  return state_->get<Gauge>(name, help, labels, Type::kGauge);
}

Histogram& Registry::histogram(std::string_view name, std::string_view help, Labels labels) {
  return state_->get<Histogram>(name, help, labels, Type::kHistogram);
}

std::shared_ptr<void> Registry::computed_gauge(std::string_view name, std::string_view help,
                                               Labels labels, std::function<double()> read) {
  const std::string text = written(labels);
  return state_->add_computed(
      name, help, Type::kGauge, text,
      [text, read = std::move(read)](std::string& to, std::string_view family) {
        append_sample(to, family, "", text, number(read()));
      });
}

std::shared_ptr<void> Registry::collected(SeriesType type, std::string_view name,
                                          std::string_view help,
                                          std::function<void(const AddSeries& add)> collect) {
  return state_->add_computed(
      name, help, type == SeriesType::kCounter ? Type::kCounter : Type::kGauge, "",
      [collect = std::move(collect)](std::string& to, std::string_view family) {
        collect([&](const Labels& labels, std::int64_t value) {
          append_sample(to, family, "", written(labels), std::to_string(value));
        });
      });
}

std::string Registry::prometheus_text() const {
  // Functions are called without the registry's lock, so that they may use the registry.
  struct Pending {
    std::shared_ptr<Computed> computed;
    std::string_view name;
  };
  struct Piece {
    std::string head;
    std::vector<std::variant<std::string, Pending>> samples;
  };
  std::vector<Piece> pieces;
  {
    const std::lock_guard lock(state_->mutex);
    for (const auto& [name, family] : state_->families) {
      auto& piece = pieces.emplace_back();
      piece.head = fmt::format("# HELP {} ", name);
      append_escaped(piece.head, family.help, false);
      fmt::format_to(std::back_inserter(piece.head), "\n# TYPE {} {}\n", name,
                     type_name(family.type));
      for (const auto& [labels, series] : family.series) {
        std::string text;
        if (const auto* counter = std::get_if<0>(&series)) {
          append_sample(text, name, "", labels, std::to_string((*counter)->value()));
        } else if (const auto* gauge = std::get_if<1>(&series)) {
          append_sample(text, name, "", labels, std::to_string((*gauge)->value()));
        } else if (const auto* histogram = std::get_if<2>(&series)) {
          append_histogram(text, name, labels, **histogram);
        } else if (auto computed = std::get<3>(series).lock()) {
          piece.samples.emplace_back(Pending{std::move(computed), name});
          continue;
        }
        if (!text.empty()) piece.samples.emplace_back(std::move(text));
      }
    }
  }
  std::string text;
  for (const auto& piece : pieces) {
    std::string samples;
    for (const auto& sample : piece.samples) {
      if (const auto* ready = std::get_if<std::string>(&sample)) {
        samples += *ready;
        continue;
      }
      const auto& pending = std::get<Pending>(sample);
      const std::lock_guard lock(pending.computed->mutex);
      if (pending.computed->write) pending.computed->write(samples, pending.name);
    }
    if (!samples.empty()) text += piece.head + samples;
  }
  return text;
}

}  // namespace spillway::metrics
