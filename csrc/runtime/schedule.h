// The order in which a batch is computed once its masked steps have been left out.
//
// A masked step keeps the state, so it is not computed: each sequence is the list of its unmasked steps, whatever their
// pattern, and a mask makes a batch of sequences of different lengths. The rows of the schedule are the sequences,
// sorted by length, the longest first, so that the active ones at step s are the first active_rows(s).
#pragma once

#include <cstdint>

#include "kernels.h"

namespace unrolled {

// The kernels of every target call these functions. They are always inlined, because the linker would keep one copy
// for all targets.
#define UNROLLED_ACCESSOR inline __attribute__((always_inline))

class BatchSchedule {
 public:
  // mask: [B, T], 0 = masked, or null; used during construction only.
  BatchSchedule(const Recurrence&, const Sizes&, const uint8_t* mask);
  ~BatchSchedule();
  BatchSchedule(const BatchSchedule&) = delete;
  BatchSchedule& operator=(const BatchSchedule&) = delete;

  // The length of the longest sequence.
  UNROLLED_ACCESSOR int64_t steps() const { return steps_; }
  // The index in the batch of the sequence in row r.
  UNROLLED_ACCESSOR int64_t batch_index(int64_t r) const { return batch_index_[r]; }
  // The number of its unmasked steps.
  UNROLLED_ACCESSOR int64_t length(int64_t r) const { return length_[r]; }
  // The number of active rows at step s, of the rows below `end`.
  UNROLLED_ACCESSOR int64_t active_rows(int64_t s, int64_t end) const {
    const int64_t rows = row_offset_[s + 1] - row_offset_[s];
    return rows < end ? rows : end;
  }
  // The number of active rows of all steps before s: the first row of step s in an array that stores only active rows.
  UNROLLED_ACCESSOR int64_t row_offset(int64_t s) const { return row_offset_[s]; }
  // The position of the s-th unmasked step of row r, counted in the direction in which the layer reads.
  UNROLLED_ACCESSOR int64_t position(int64_t r, int64_t s) const { return position_ ? position_[r * time_ + s] : s; }
  // The index on the time axis of a position.
  UNROLLED_ACCESSOR int64_t time_index(int64_t position) const { return backwards_ ? time_ - 1 - position : position; }
  UNROLLED_ACCESSOR bool has_masked_steps() const { return position_ != nullptr; }
  // The end of slice i of n slices of consecutive rows, each with about the same number of steps.
  int64_t slice_end(int i, int n) const;

 private:
  int64_t batch_, time_, steps_;
  bool backwards_;
  int32_t* batch_index_;  // [B]
  int32_t* length_;       // [B]
  int64_t* row_offset_;   // [steps + 1]
  int32_t* position_;     // [B, T], null if no step is masked
};

}  // namespace unrolled
