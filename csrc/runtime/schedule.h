// The order in which a batch is computed: without its masked steps, and divided where the state is reset.
//
// A masked step keeps the state, so it is not computed: each sequence is the list of its unmasked steps, whatever their
// pattern, and a mask makes a batch of sequences of different lengths. Where the state is reset a new sequence begins,
// which shares nothing with the one before it. The rows of the schedule are these sequences, sorted by length, the
// longest first, so that the active ones at step s are the first active_rows(s).
#pragma once

#include <cstdint>

#include "kernels.h"

namespace unrolled {

// The kernels of every target call these functions. They are always inlined, because the linker would keep one copy
// for all targets.
#define UNROLLED_ACCESSOR inline __attribute__((always_inline))

class BatchSchedule {
 public:
  // mask: [B, T], 0 = masked, or null. resets: [B, T], not 0 = a sequence begins, or null. Both are copied before they
  // are looked at, because another thread may change them.
  BatchSchedule(const Recurrence&, const Sizes&, const uint8_t* mask, const uint8_t* resets);
  ~BatchSchedule();
  BatchSchedule(const BatchSchedule&) = delete;
  BatchSchedule& operator=(const BatchSchedule&) = delete;

  // The number of sequences, at least B.
  UNROLLED_ACCESSOR int64_t rows() const { return rows_; }
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
  UNROLLED_ACCESSOR int64_t position(int64_t r, int64_t s) const {
    return first_step_ ? position_[first_step_[r] + s] : s;
  }
  // The index on the time axis of a position.
  UNROLLED_ACCESSOR int64_t time_index(int64_t position) const { return backwards_ ? time_ - 1 - position : position; }
  // True if the positions of a row are not simply those of all its steps.
  UNROLLED_ACCESSOR bool has_gaps() const { return first_step_ != nullptr; }
  // The positions of row r, masked steps included: [begin(r), end(r)).
  UNROLLED_ACCESSOR int64_t begin(int64_t r) const { return begin_ ? begin_[r] : 0; }
  UNROLLED_ACCESSOR int64_t end(int64_t r) const { return end_ ? end_[r] : time_; }
  // True for the row that ends with its part of the batch, and leaves the state that the layer returns.
  UNROLLED_ACCESSOR bool is_last(int64_t r) const { return end(r) == time_; }
  // True for a row that begins with the initial state: the first of its part of the batch, unless that is reset too.
  UNROLLED_ACCESSOR bool has_initial_state(int64_t r) const {
    return has_initial_state_ ? has_initial_state_[r] != 0 : true;
  }
  // The end of slice i of n slices of consecutive rows, each with about the same number of steps.
  int64_t slice_end(int i, int n) const;

 private:
  struct Arrays;

  int64_t time_;
  bool backwards_;
  int64_t rows_, steps_;
  const Arrays* arrays_;        // owns what follows
  const int64_t* row_offset_;   // [steps + 1]
  const int64_t* first_step_;   // [rows] the index in position_ of step 0, null if there are no gaps
  const int32_t* position_;     // [B * T], null if there are no gaps
  const int32_t* batch_index_;  // [rows]
  const int32_t* length_;       // [rows]
  const int32_t* begin_;        // [rows], like the next two null if nothing is reset
  const int32_t* end_;
  const uint8_t* has_initial_state_;
};

}  // namespace unrolled
