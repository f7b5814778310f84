#include "runtime/schedule.h"

#include <algorithm>
#include <cstring>
#include <numeric>

namespace unrolled {

BatchSchedule::BatchSchedule(const Recurrence& recurrence, const Sizes& sizes, const uint8_t* mask)
    : batch_(sizes.batch),
      time_(sizes.time),
      steps_(sizes.time),
      backwards_(recurrence.go_backwards),
      batch_index_(new int32_t[sizes.batch]),
      length_(new int32_t[sizes.batch]),
      row_offset_(new int64_t[sizes.time + 1]),
      position_(nullptr) {
  std::iota(batch_index_, batch_index_ + batch_, 0);
  std::fill(length_, length_ + batch_, static_cast<int32_t>(time_));
  if (mask != nullptr && std::memchr(mask, 0, static_cast<size_t>(batch_ * time_)) != nullptr) {
    int32_t* const lengths = new int32_t[batch_];
    for (int64_t b = 0; b < batch_; ++b) {
      lengths[b] = static_cast<int32_t>(
          std::count_if(mask + b * time_, mask + (b + 1) * time_, [](uint8_t on) { return on != 0; }));
    }
    std::stable_sort(batch_index_, batch_index_ + batch_,
                     [&](int32_t a, int32_t b) { return lengths[a] > lengths[b]; });
    position_ = new int32_t[batch_ * time_];
    for (int64_t r = 0; r < batch_; ++r) {
      length_[r] = lengths[batch_index_[r]];
      int32_t* to = position_ + r * time_;
      for (int64_t p = 0; p < time_; ++p) {
        if (mask[batch_index_[r] * time_ + time_index(p)] != 0) *to++ = static_cast<int32_t>(p);
      }
    }
    steps_ = batch_ > 0 ? length_[0] : 0;
    delete[] lengths;
  }
  row_offset_[0] = 0;
  int64_t rows = batch_;
  for (int64_t s = 0; s < steps_; ++s) {
    while (rows > 0 && length_[rows - 1] <= s) --rows;
    row_offset_[s + 1] = row_offset_[s] + rows;
  }
}

BatchSchedule::~BatchSchedule() {
  delete[] batch_index_;
  delete[] length_;
  delete[] row_offset_;
  delete[] position_;
}

int64_t BatchSchedule::slice_end(int i, int n) const {
  if (i + 1 == n) return batch_;
  if (!has_masked_steps()) return batch_ * (i + 1) / n;
  const int64_t share = row_offset_[steps_] * (i + 1) / n;
  int64_t r = 0, work = 0;
  while (r < batch_ && work + length_[r] <= share) work += length_[r++];
  return r;
}

}  // namespace unrolled
