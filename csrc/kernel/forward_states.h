// The states of a forward pass, how they begin and where they end.
#pragma once

#include "kernel/gate_layout.h"
#include "runtime/workspace.h"

namespace unrolled::UNROLLED_ISA {

// What all parts of one forward pass are given; it refers to what outlives them.
struct ForwardPass {
  const Recurrence& recurrence;
  const Geometry& geometry;
  const Plan& plan;
  const Inputs& inputs;
  const Outputs& outputs;
  float* tape;  // null in inference
};

// Those of the rows [begin, end) of the plan, which are counted from 0 here. They are on the tape or, in
// inference, in memory of their own.
class ForwardStates {
 public:
  // With keeps_before a step leaves the h before it as it is, for those who have yet to read it.
  ForwardStates(const ForwardPass& pass, int64_t begin, int64_t end, bool keeps_before)
      : pass_(pass),
        geometry_(pass.geometry),
        tape_(pass.geometry, pass.plan, pass.tape),
        training_(pass.tape != nullptr),
        begin_(begin),
        rows_(end - begin),
        second_(keeps_before ? 1 : 0),
        scratch_(training_ ? 0 : (3 + second_) * size()),
        h_(scratch_.data()),
        c_(h_ + (1 + second_) * size()),
        candidate_(c_ + size()) {}

  int64_t begin() const { return begin_; }
  int64_t rows() const { return rows_; }

  // Before step s, [H] padded. The c of a step may take the place of the one before it.
  float* h(int64_t s, int64_t r) const {
    return training_ ? tape_.h(s, begin_ + r) : h_ + ((s & second_) * rows_ + r) * geometry_.padded_units;
  }
  float* c(int64_t s, int64_t r) const { return training_ ? tape_.c(s, begin_ + r) : c_ + r * geometry_.padded_units; }
  // [slots, H] padded; null in inference.
  float* gates(int64_t s, int64_t r) const { return training_ ? tape_.gates(s, begin_ + r) : nullptr; }
  // The candidate's own operand at step s, [H] padded.
  float* candidate(int64_t s, int64_t r) const {
    return training_ ? gates(s, r) + 3 * geometry_.padded_units : candidate_ + r * geometry_.padded_units;
  }

  // The initial states.
  void read() const {
    const Inputs& inputs = pass_.inputs;
    for (int64_t r = 0; r < rows_; ++r) {
      const int64_t b = pass_.plan.sequence(begin_ + r);
      copy_padded(h(0, r), row_of(inputs.initial_h, b, geometry_.units), geometry_.units, geometry_.padded_units);
      if (!geometry_.has_cell_state) continue;
      copy_padded(c(0, r), row_of(inputs.initial_c, b, geometry_.units), geometry_.units, geometry_.padded_units);
    }
  }

  // The last ones, and all outputs but those that the steps themselves have written.
  void write() const {
    const Recurrence& recurrence = pass_.recurrence;
    const Outputs& outputs = pass_.outputs;
    const Plan& plan = pass_.plan;
    const size_t bytes = static_cast<size_t>(geometry_.units) * sizeof(float);
    for (int64_t r = 0; r < rows_; ++r) {
      const int64_t b = plan.sequence(begin_ + r), length = plan.length(begin_ + r);
      std::memcpy(outputs.h + b * geometry_.units, h(length, r), bytes);
      if (geometry_.has_cell_state) std::memcpy(outputs.c + b * geometry_.units, c(length, r), bytes);
      if (recurrence.return_sequences || outputs.outputs == nullptr) continue;
      const bool ends_masked = length == 0 || plan.position(begin_ + r, length - 1) != geometry_.time - 1;
      const bool zero = length == 0 || (ends_masked && recurrence.zero_output_for_mask);
      copy_padded(outputs.outputs + b * geometry_.units, zero ? nullptr : h(length, r), geometry_.units,
                  geometry_.units);
    }
    if (recurrence.return_sequences && plan.masked()) fill_masked_outputs();
  }

 private:
  int64_t size() const { return rows_ * geometry_.padded_units; }

  void fill_masked_outputs() const {
    const Plan& plan = pass_.plan;
    for (int64_t r = 0; r < rows_; ++r) {
      float* const outputs = pass_.outputs.outputs + plan.sequence(begin_ + r) * geometry_.time * geometry_.units;
      int64_t s = 0;
      for (int64_t p = 0; p < geometry_.time; ++p) {
        if (s < plan.length(begin_ + r) && plan.position(begin_ + r, s) == p) {
          ++s;
          continue;
        }
        const bool zero = s == 0 || pass_.recurrence.zero_output_for_mask;
        copy_padded(outputs + p * geometry_.units, zero ? nullptr : outputs + (p - 1) * geometry_.units,
                    geometry_.units, geometry_.units);
      }
    }
  }

  const ForwardPass& pass_;
  const Geometry& geometry_;
  const Tape tape_;
  const bool training_;
  const int64_t begin_, rows_, second_;
  const Scratch scratch_;
  float *const h_, *const c_, *const candidate_;
};

}  // namespace unrolled::UNROLLED_ISA
