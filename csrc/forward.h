// The forward pass that all cells share: everything but the equations of one row at one step.
//
// Each thread takes a slice of the batch through all steps, so that nobody waits within the loop. In
// blocks of steps it first multiplies the inputs with `kernel`, then goes through the steps one by one.
#pragma once

#include "geometry.h"
#include "scratch.h"
#include "threads.h"
#include "weights.h"

namespace unrolled::UNROLLED_ISA {

// One row at one step, as a cell sees it. Every pointer is to whole vectors.
struct ForwardRow {
  float* z;               // [row] what the products gave; may be overwritten
  const float* h_before;  // [H]
  const float* c_before;
  float* gates;   // [row] of the tape, null in inference
  float* h;       // [H] may be h_before
  float* c;       // may be c_before
  int64_t units;  // padded
};

// What forward passes of one layer have in common: the weights, packed.
struct PackedLayer {
  PackedLayer(const Recurrence& recurrence, const Geometry& geometry, const float* kernel,
              const float* recurrent_kernel, int input_masks, int recurrent_masks)
      : kernel{kernel,
               geometry.features,
               geometry.units,
               geometry.padded_units,
               geometry.slots.gates,
               groups_of(geometry.slots, geometry.slots.kernel_slot, input_masks, false),
               false},
        recurrent_kernel{
            recurrent_kernel,
            geometry.units,
            geometry.units,
            geometry.padded_units,
            geometry.slots.gates,
            groups_of(geometry.slots, geometry.slots.recurrent_slot, recurrent_masks, candidate_apart(recurrence)),
            false} {}

  int64_t size(const Geometry& geometry) const { return kernel.size() + recurrent_kernel.size() + geometry.row; }

  void place(float* at) {
    kernel.packed = at;
    recurrent_kernel.packed = at + kernel.size();
    bias = recurrent_kernel.packed + recurrent_kernel.size();
  }

  int parts() const { return kernel.parts() + recurrent_kernel.parts(); }

  void pack(int part) const {
    if (part < kernel.parts()) {
      kernel.pack(part);
    } else {
      recurrent_kernel.pack(part - kernel.parts());
    }
  }

  // Where both biases of a gate meet in one slot they are added.
  void pack_bias(const Geometry& geometry, const float* from, bool two) const {
    std::memset(bias, 0, static_cast<size_t>(geometry.row) * sizeof(float));
    if (from == nullptr) return;
    const Slots& slots = geometry.slots;
    for (int half = 0; half < (two ? 2 : 1); ++half) {
      for (int gate = 0; gate < slots.gates; ++gate, from += geometry.units) {
        float* const to = bias + (half == 0 ? slots.kernel_slot : slots.recurrent_slot)[gate] * geometry.padded_units;
        for (int64_t n = 0; n < geometry.units; ++n) to[n] += from[n];
      }
    }
  }

  Weights kernel, recurrent_kernel;
  float* bias = nullptr;  // [row]
};

template <class Rule>
class ForwardSlice {
 public:
  ForwardSlice(const Rule& rule, const Recurrence& recurrence, const Geometry& geometry, const Plan& plan,
               const Inputs& inputs, const Outputs& outputs, const PackedLayer& layer, float* tape, int64_t begin,
               int64_t end)
      : rule_(rule),
        recurrence_(recurrence),
        geometry_(geometry),
        plan_(plan),
        inputs_(inputs),
        outputs_(outputs),
        layer_(layer),
        tape_(geometry, plan, tape),
        training_(tape != nullptr),
        begin_(begin),
        rows_(end - begin),
        block_steps_(rows_ >= kBlockRows ? 1 : kBlockRows / rows_),
        block_rows_(rows_ * block_steps_),
        z_stride_(row_stride(geometry.row)),
        masks_(layer.kernel.groups.masks > layer.recurrent_kernel.groups.masks ? layer.kernel.groups.masks
                                                                               : layer.recurrent_kernel.groups.masks),
        inputs_size_(packed_rows_size(block_rows_, geometry.features)),
        state_size_(packed_rows_size(rows_, geometry.units)),
        scratch_(block_rows_ * z_stride_ + masks_ * (inputs_size_ + state_size_) + 3 * rows_ * geometry.padded_units),
        z_(scratch_.data()),
        packed_inputs_(z_ + block_rows_ * z_stride_),
        packed_state_(packed_inputs_ + masks_ * inputs_size_),
        h_(packed_state_ + masks_ * state_size_),
        c_(h_ + rows_ * geometry.padded_units),
        candidate_(c_ + rows_ * geometry.padded_units) {}

  void run() {
    begin_states();
    const int64_t steps = plan_.length(begin_);
    for (int64_t s = 0; s < steps; s += block_steps_) {
      const int64_t end = at_most(s + block_steps_, steps);
      project(s, end);
      float* z = z_;
      for (int64_t t = s; t < end; ++t) z = advance(t, z);
    }
    end_states();
    if (recurrence_.return_sequences && plan_.masked()) fill_masked_outputs();
  }

 private:
  int64_t active(int64_t s) const { return plan_.active(s, begin_ + rows_) - begin_; }
  float* h(int64_t s, int64_t r) const { return training_ ? tape_.h(s, begin_ + r) : h_ + r * geometry_.padded_units; }
  float* c(int64_t s, int64_t r) const { return training_ ? tape_.c(s, begin_ + r) : c_ + r * geometry_.padded_units; }

  void begin_states() const {
    for (int64_t r = 0; r < rows_; ++r) {
      const int64_t b = plan_.sequence(begin_ + r);
      copy_padded(h(0, r), row_of(inputs_.initial_h, b, geometry_.units), geometry_.units, geometry_.padded_units);
      if (!geometry_.has_cell_state) continue;
      copy_padded(c(0, r), row_of(inputs_.initial_c, b, geometry_.units), geometry_.units, geometry_.padded_units);
    }
  }

  // z = bias + x kernel, for all rows of the steps [from, to).
  void project(int64_t from, int64_t to) const {
    const Groups& groups = layer_.kernel.groups;
    int64_t q = 0;
    for (int64_t s = from; s < to; ++s) {
      for (int64_t r = 0, end = active(s); r < end; ++r, ++q) {
        const int64_t b = plan_.sequence(begin_ + r);
        const int64_t time = plan_.time(plan_.position(begin_ + r, s));
        const float* const x = inputs_.sequences + (b * geometry_.time + time) * geometry_.features;
        for (int m = 0; m < groups.masks; ++m) {
          const float* const factors = row_of(inputs_.input_dropout, m * geometry_.batch + b, geometry_.features);
          pack_row(packed_inputs_ + m * inputs_size_, block_rows_, q, 0, x, geometry_.features, factors);
        }
        if constexpr (Rule::kOwnRecurrentSlot) {
          std::memcpy(z_ + q * z_stride_ + 3 * geometry_.padded_units, layer_.bias + 3 * geometry_.padded_units,
                      static_cast<size_t>(geometry_.padded_units) * sizeof(float));
        }
      }
    }
    for (int g = 0; g < groups.count; ++g) {
      const Group& group = groups.group[g];
      const int64_t column = group.first_slot * geometry_.padded_units;
      multiply(packed_inputs_ + group.mask * inputs_size_, block_rows_, 0, q, 0, layer_.kernel.panels(g),
               layer_.bias + column, 0, z_ + column, z_stride_);
    }
  }

  // One step of all rows that are at work; z are theirs. Gives where the next step's begin.
  float* advance(int64_t s, float* z) const {
    const int64_t rows = active(s);
    pack_state(s, rows);
    for (int g = Rule::kCandidateApart ? 1 : 0; g < layer_.recurrent_kernel.groups.count; ++g)
      multiply_state(g, rows, z);
    if constexpr (Rule::kCandidateApart) multiply_candidate(s, rows, z);
    for (int64_t r = 0; r < rows; ++r) {
      rule_.advance({z + r * z_stride_, h(s, r), c(s, r), training_ ? tape_.gates(s, begin_ + r) : nullptr, h(s + 1, r),
                     c(s + 1, r), geometry_.padded_units});
      if (!recurrence_.return_sequences) continue;
      const int64_t place = plan_.sequence(begin_ + r) * geometry_.time + plan_.position(begin_ + r, s);
      std::memcpy(outputs_.outputs + place * geometry_.units, h(s + 1, r),
                  static_cast<size_t>(geometry_.units) * sizeof(float));
    }
    return z + rows * z_stride_;
  }

  const float* recurrent_factors(int mask, int64_t r) const {
    return row_of(inputs_.recurrent_dropout, mask * geometry_.batch + plan_.sequence(begin_ + r), geometry_.units);
  }

  void pack_state(int64_t s, int64_t rows) const {
    for (int m = 0; m < layer_.recurrent_kernel.groups.masks; ++m) {
      for (int64_t r = 0; r < rows; ++r) {
        pack_row(packed_state_ + m * state_size_, rows_, r, 0, h(s, r), geometry_.units, recurrent_factors(m, r));
      }
    }
  }

  void multiply_state(int index, int64_t rows, float* z) const {
    const Group& group = layer_.recurrent_kernel.groups.group[index];
    float* const to = z + group.first_slot * geometry_.padded_units;
    multiply(packed_state_ + group.mask * state_size_, rows_, 0, rows, 0, layer_.recurrent_kernel.panels(index), to,
             z_stride_, to, z_stride_);
  }

  // The candidate's own operand, r * h, is known once the other gates are.
  void multiply_candidate(int64_t s, int64_t rows, float* z) const {
    const int mask = layer_.recurrent_kernel.groups.group[0].mask;
    for (int64_t r = 0; r < rows; ++r) {
      float* const operand = training_ ? tape_.gates(s, begin_ + r) + 3 * geometry_.padded_units : candidate_;
      rule_.reset(z + r * z_stride_, h(s, r), operand, geometry_.padded_units);
      pack_row(packed_state_ + mask * state_size_, rows_, r, 0, operand, geometry_.units, recurrent_factors(mask, r));
    }
    multiply_state(0, rows, z);
  }

  void end_states() const {
    const size_t bytes = static_cast<size_t>(geometry_.units) * sizeof(float);
    for (int64_t r = 0; r < rows_; ++r) {
      const int64_t b = plan_.sequence(begin_ + r), length = plan_.length(begin_ + r);
      std::memcpy(outputs_.h + b * geometry_.units, h(length, r), bytes);
      if (geometry_.has_cell_state) std::memcpy(outputs_.c + b * geometry_.units, c(length, r), bytes);
      if (recurrence_.return_sequences || outputs_.outputs == nullptr) continue;
      const bool ends_masked = length == 0 || plan_.position(begin_ + r, length - 1) != geometry_.time - 1;
      const bool zero = length == 0 || (ends_masked && recurrence_.zero_output_for_mask);
      copy_padded(outputs_.outputs + b * geometry_.units, zero ? nullptr : h(length, r), geometry_.units,
                  geometry_.units);
    }
  }

  void fill_masked_outputs() const {
    for (int64_t r = 0; r < rows_; ++r) {
      float* const outputs = outputs_.outputs + plan_.sequence(begin_ + r) * geometry_.time * geometry_.units;
      int64_t s = 0;
      for (int64_t p = 0; p < geometry_.time; ++p) {
        if (s < plan_.length(begin_ + r) && plan_.position(begin_ + r, s) == p) {
          ++s;
          continue;
        }
        const bool zero = s == 0 || recurrence_.zero_output_for_mask;
        copy_padded(outputs + p * geometry_.units, zero ? nullptr : outputs + (p - 1) * geometry_.units,
                    geometry_.units, geometry_.units);
      }
    }
  }

  const Rule& rule_;
  const Recurrence& recurrence_;
  const Geometry& geometry_;
  const Plan& plan_;
  const Inputs& inputs_;
  const Outputs& outputs_;
  const PackedLayer& layer_;
  const Tape tape_;
  const bool training_;
  const int64_t begin_, rows_, block_steps_, block_rows_, z_stride_;
  const int64_t masks_, inputs_size_, state_size_;
  const Scratch scratch_;
  float *const z_, *const packed_inputs_, *const packed_state_, *const h_, *const c_, *const candidate_;
};

// Below this many multiply-adds a thread is not worth waking.
constexpr int64_t kWorkForThread = 1000000;

UNROLLED_INLINE int threads_for(int64_t rows, int64_t work) {
  const int64_t most = work / kWorkForThread;
  return static_cast<int>(at_most(rows, most < 1 ? 1 : at_most(most, 4096)));
}

template <class Rule>
void run_forward(const Rule& rule, const Recurrence& recurrence, const Sizes& sizes, const Inputs& inputs,
                 const Outputs& outputs, float* tape) {
  const Geometry geometry(recurrence, sizes);
  const Plan plan(recurrence, sizes, inputs.mask);
  PackedLayer layer(recurrence, geometry, inputs.kernel, inputs.recurrent_kernel,
                    inputs.input_dropout != nullptr ? inputs.input_dropout_masks : 1,
                    inputs.recurrent_dropout != nullptr ? inputs.recurrent_dropout_masks : 1);
  const Scratch scratch(layer.size(geometry));
  layer.place(scratch.data());
  layer.pack_bias(geometry, inputs.bias, recurrence.cell == Cell::gru && recurrence.reset_after);
  Team team(threads_for(sizes.batch, plan.first(plan.steps()) * (sizes.features + sizes.units) * geometry.row));
  team.run(layer.parts(), [&](int part) { layer.pack(part); });
  const int slices = team.size();
  team.run(slices, [&](int i) {
    const int64_t begin = i == 0 ? 0 : plan.slice_end(i - 1, slices), end = plan.slice_end(i, slices);
    if (begin == end) return;
    ForwardSlice<Rule>(rule, recurrence, geometry, plan, inputs, outputs, layer, tape, begin, end).run();
  });
}

}  // namespace unrolled::UNROLLED_ISA
