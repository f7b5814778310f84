// Which sequences are at work at which step, once masked steps have been taken out.
//
// A masked step leaves the state as it was, so it need not be computed: each sequence is the list of
// its unmasked steps, whatever their pattern, and a mask makes a batch of sequences of different
// lengths. Sorted by length, longest first, those at work at step s are the first active(s) rows.
#pragma once

#include <cstdint>

#include "kernels.h"

namespace unrolled {

#define UNROLLED_ACCESS inline __attribute__((always_inline))

class Plan {
 public:
  Plan(const Recurrence&, const Sizes&, const uint8_t* mask);
  ~Plan();
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  UNROLLED_ACCESS int64_t steps() const { return steps_; }
  // The sequence of the batch that row r is.
  UNROLLED_ACCESS int64_t sequence(int64_t r) const { return sequence_[r]; }
  // The number of its unmasked steps.
  UNROLLED_ACCESS int64_t length(int64_t r) const { return length_[r]; }
  // The rows below `end` that are at work at step s.
  UNROLLED_ACCESS int64_t active(int64_t s, int64_t end) const {
    const int64_t rows = first_[s + 1] - first_[s];
    return rows < end ? rows : end;
  }
  // The number of rows at work in all steps before s: where step s begins in a packed array.
  UNROLLED_ACCESS int64_t first(int64_t s) const { return first_[s]; }
  // Where, in the order in which the layer reads, the s-th unmasked step of row r stands.
  UNROLLED_ACCESS int64_t position(int64_t r, int64_t s) const { return position_ ? position_[r * time_ + s] : s; }
  // The place in time that is read at a position.
  UNROLLED_ACCESS int64_t time(int64_t position) const { return backwards_ ? time_ - 1 - position : position; }
  UNROLLED_ACCESS bool masked() const { return position_ != nullptr; }
  // The end of slice i of n: slices of consecutive rows, each with about as many steps to compute.
  int64_t slice_end(int i, int n) const;

 private:
  int64_t batch_, time_, steps_;
  bool backwards_;
  int32_t* sequence_;  // [B]
  int32_t* length_;    // [B]
  int64_t* first_;     // [steps + 1]
  int32_t* position_;  // [B, T], null where nothing is masked
};

}  // namespace unrolled
