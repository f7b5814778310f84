#include "runtime/schedule.h"

#include <algorithm>
#include <memory>
#include <vector>

namespace unrolled {
namespace {

struct Sequence {
  int64_t batch_index, begin, end, length;
  bool has_initial_state;
};

// A copy of an optional [B, T] array, empty if all its elements have the value that makes no difference.
std::vector<uint8_t> copy_unless_all(bool value, const uint8_t* array, int64_t size) {
  std::vector<uint8_t> copy;
  if (array != nullptr) copy.assign(array, array + size);
  if (std::all_of(copy.begin(), copy.end(), [value](uint8_t one) { return (one != 0) == value; })) copy.clear();
  return copy;
}

}  // namespace

struct BatchSchedule::Arrays {
  std::vector<int64_t> row_offset, first_step;
  std::vector<int32_t> position, batch_index, length, begin, end;
  std::vector<uint8_t> has_initial_state;
};

BatchSchedule::BatchSchedule(const Recurrence& recurrence, const Sizes& sizes, const uint8_t* mask,
                             const uint8_t* resets)
    : time_(sizes.time), backwards_(recurrence.go_backwards) {
  const std::vector<uint8_t> on = copy_unless_all(true, mask, sizes.batch * time_);
  const std::vector<uint8_t> first = copy_unless_all(false, resets, sizes.batch * time_);
  const bool has_gaps = !on.empty() || !first.empty();
  const auto is_on = [&](int64_t b, int64_t p) { return on.empty() || on[b * time_ + time_index(p)] != 0; };
  // Marked is the first step of a sequence in time, which a layer that goes backwards reads last.
  const auto begins_at = [&](int64_t b, int64_t p) {
    const int64_t time = backwards_ ? time_ - p : p;
    return !first.empty() && time < time_ && first[b * time_ + time] != 0;
  };

  std::vector<Sequence> sequences;
  sequences.reserve(static_cast<size_t>(sizes.batch));
  for (int64_t b = 0; b < sizes.batch; ++b) {
    sequences.push_back({b, 0, time_, has_gaps ? 0 : time_, !begins_at(b, 0)});
    for (int64_t p = 0; has_gaps && p < time_; ++p) {
      if (p > 0 && begins_at(b, p)) {
        sequences.back().end = p;
        sequences.push_back({b, p, time_, 0, false});
      }
      sequences.back().length += is_on(b, p) ? 1 : 0;
    }
  }
  if (has_gaps) {
    std::stable_sort(sequences.begin(), sequences.end(),
                     [](const Sequence& one, const Sequence& other) { return one.length > other.length; });
  }

  std::unique_ptr<Arrays> arrays(new Arrays);
  if (has_gaps) arrays->position.reserve(static_cast<size_t>(sizes.batch * time_));
  for (auto* each : {&arrays->batch_index, &arrays->length}) each->reserve(sequences.size());
  for (const Sequence& sequence : sequences) {
    arrays->batch_index.push_back(static_cast<int32_t>(sequence.batch_index));
    arrays->length.push_back(static_cast<int32_t>(sequence.length));
    if (!first.empty()) {
      arrays->begin.push_back(static_cast<int32_t>(sequence.begin));
      arrays->end.push_back(static_cast<int32_t>(sequence.end));
      arrays->has_initial_state.push_back(sequence.has_initial_state ? 1 : 0);
    }
    if (!has_gaps) continue;
    arrays->first_step.push_back(static_cast<int64_t>(arrays->position.size()));
    for (int64_t p = sequence.begin; p < sequence.end; ++p)
      if (is_on(sequence.batch_index, p)) arrays->position.push_back(static_cast<int32_t>(p));
  }
  rows_ = static_cast<int64_t>(sequences.size());
  steps_ = rows_ > 0 ? sequences.front().length : time_;
  int64_t active = rows_, offset = 0;
  for (int64_t s = 0; s <= steps_; ++s) {
    arrays->row_offset.push_back(offset);
    while (active > 0 && sequences[active - 1].length <= s) --active;
    offset += active;
  }

  const auto data = [](const auto& array, bool is_used) { return is_used ? array.data() : nullptr; };
  row_offset_ = arrays->row_offset.data();
  batch_index_ = arrays->batch_index.data();
  length_ = arrays->length.data();
  first_step_ = data(arrays->first_step, has_gaps);
  position_ = data(arrays->position, has_gaps);
  begin_ = data(arrays->begin, !first.empty());
  end_ = data(arrays->end, !first.empty());
  has_initial_state_ = data(arrays->has_initial_state, !first.empty());
  arrays_ = arrays.release();
}

BatchSchedule::~BatchSchedule() { delete arrays_; }

int64_t BatchSchedule::slice_end(int i, int n) const {
  if (i + 1 == n) return rows_;
  if (!has_gaps()) return rows_ * (i + 1) / n;
  const int64_t share = row_offset_[steps_] * (i + 1) / n;
  int64_t r = 0, work = 0;
  while (r < rows_ && work + length_[r] <= share) work += length_[r++];
  return r;
}

}  // namespace unrolled
