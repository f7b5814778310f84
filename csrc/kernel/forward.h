// The forward pass that all cells share, divided among threads.
//
// Each thread takes a slice of the batch through all steps, so that nobody waits within the loop; where that would
// leave threads without work, they share the units.
#pragma once

#include "kernel/cell.h"
#include "kernel/weights.h"
#include "runtime/parallel.h"
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

// All rows of `states`, and the units of `layer`. Other slices may have the same states and other units:
// then they take every step together, and end_step() comes when all of them have begun it.
template <class Rule>
class ForwardSlice {
 public:
  ForwardSlice(const Rule& rule, const ForwardPass& pass, const PackedLayer& layer, const ForwardStates& states)
      : rule_(rule),
        pass_(pass),
        geometry_(pass.geometry),
        plan_(pass.plan),
        layer_(layer),
        states_(states),
        begin_(states.begin()),
        rows_(states.rows()),
        units_(layer.range.count),
        block_steps_(rows_ >= kBlockRows ? 1 : kBlockRows / rows_),
        block_rows_(rows_ * block_steps_),
        z_stride_(row_stride(layer.row)),
        masks_(layer.kernel.groups.masks > layer.recurrent_kernel.groups.masks ? layer.kernel.groups.masks
                                                                               : layer.recurrent_kernel.groups.masks),
        inputs_size_(packed_rows_size(block_rows_, geometry_.features)),
        state_size_(packed_rows_size(rows_, geometry_.units)),
        scratch_(block_rows_ * z_stride_ + masks_ * (inputs_size_ + state_size_)),
        block_z_(scratch_.data()),
        packed_inputs_(block_z_ + block_rows_ * z_stride_),
        packed_state_(packed_inputs_ + masks_ * inputs_size_),
        z_(block_z_) {}

  // All of it, where there are no other slices.
  void run() {
    states_.read();
    for (int64_t s = 0, steps = plan_.length(begin_); s < steps; ++s) {
      begin_step(s);
      end_step(s);
    }
    states_.write();
  }

  // Up to what needs nothing of this step's from other units.
  void begin_step(int64_t s) {
    if (s % block_steps_ == 0) project(s, at_most(s + block_steps_, plan_.length(begin_)));
    const int64_t rows = active(s);
    pack_state(s, rows);
    for (int g = Rule::kCandidateApart ? 1 : 0; g < layer_.recurrent_kernel.groups.count; ++g) multiply_state(g, rows);
    if constexpr (Rule::kCandidateApart) {
      for (int64_t r = 0; r < rows; ++r)
        rule_.reset(z(r), states_.h(s, r) + first(), states_.candidate(s, r) + first(), units_);
    }
  }

  void end_step(int64_t s) {
    const int64_t rows = active(s);
    if constexpr (Rule::kCandidateApart) multiply_candidate(s, rows);
    for (int64_t r = 0; r < rows; ++r) {
      float* const gates = states_.gates(s, r);
      rule_.advance({z(r), states_.h(s, r) + first(), states_.c(s, r) + first(),
                     gates != nullptr ? gates + first() : nullptr, geometry_.padded_units,
                     states_.h(s + 1, r) + first(), states_.c(s + 1, r) + first(), units_});
      if (!pass_.recurrence.return_sequences) continue;
      const int64_t place = plan_.sequence(begin_ + r) * geometry_.time + plan_.position(begin_ + r, s);
      std::memcpy(pass_.outputs.outputs + place * geometry_.units + first(), states_.h(s + 1, r) + first(),
                  static_cast<size_t>(layer_.valid_units()) * sizeof(float));
    }
    z_ += rows * z_stride_;
  }

 private:
  int64_t first() const { return layer_.range.first; }
  int64_t active(int64_t s) const { return plan_.active(s, begin_ + rows_) - begin_; }
  float* z(int64_t r) const { return z_ + r * z_stride_; }

  // z = bias + x kernel, for all rows of the steps [from, to).
  void project(int64_t from, int64_t to) {
    const Groups& groups = layer_.kernel.groups;
    z_ = block_z_;
    int64_t q = 0;
    for (int64_t s = from; s < to; ++s) {
      for (int64_t r = 0, end = active(s); r < end; ++r, ++q) {
        const int64_t b = plan_.sequence(begin_ + r);
        const int64_t time = plan_.time(plan_.position(begin_ + r, s));
        const float* const x = pass_.inputs.sequences + (b * geometry_.time + time) * geometry_.features;
        for (int m = 0; m < groups.masks; ++m) {
          const float* const factors = row_of(pass_.inputs.input_dropout, m * geometry_.batch + b, geometry_.features);
          pack_row(packed_inputs_ + m * inputs_size_, block_rows_, q, 0, x, geometry_.features, factors);
        }
        if constexpr (Rule::kOwnRecurrentSlot) {
          std::memcpy(z(q) + 3 * units_, layer_.bias + 3 * units_, static_cast<size_t>(units_) * sizeof(float));
        }
      }
    }
    for (int g = 0; g < groups.count; ++g) {
      const Group& group = groups.group[g];
      const int64_t column = group.first_slot * units_;
      multiply(packed_inputs_ + group.mask * inputs_size_, block_rows_, 0, q, 0, layer_.kernel.panels(g),
               layer_.bias + column, 0, z_ + column, z_stride_);
    }
  }

  const float* recurrent_factors(int mask, int64_t r) const {
    return row_of(pass_.inputs.recurrent_dropout, mask * geometry_.batch + plan_.sequence(begin_ + r), geometry_.units);
  }

  void pack_state(int64_t s, int64_t rows) const {
    for (int m = 0; m < layer_.recurrent_kernel.groups.masks; ++m) {
      for (int64_t r = 0; r < rows; ++r) {
        pack_row(packed_state_ + m * state_size_, rows_, r, 0, states_.h(s, r), geometry_.units,
                 recurrent_factors(m, r));
      }
    }
  }

  void multiply_state(int index, int64_t rows) const {
    const Group& group = layer_.recurrent_kernel.groups.group[index];
    float* const to = z_ + group.first_slot * units_;
    multiply(packed_state_ + group.mask * state_size_, rows_, 0, rows, 0, layer_.recurrent_kernel.panels(index), to,
             z_stride_, to, z_stride_);
  }

  // The candidate's own operand, r * h, is known once the other gates are.
  void multiply_candidate(int64_t s, int64_t rows) const {
    const int mask = layer_.recurrent_kernel.groups.group[0].mask;
    for (int64_t r = 0; r < rows; ++r) {
      pack_row(packed_state_ + mask * state_size_, rows_, r, 0, states_.candidate(s, r), geometry_.units,
               recurrent_factors(mask, r));
    }
    multiply_state(0, rows);
  }

  const Rule& rule_;
  const ForwardPass& pass_;
  const Geometry& geometry_;
  const Plan& plan_;
  const PackedLayer& layer_;
  const ForwardStates& states_;
  const int64_t begin_, rows_, units_, block_steps_, block_rows_, z_stride_;
  const int64_t masks_, inputs_size_, state_size_;
  const Scratch scratch_;
  float *const block_z_, *const packed_inputs_, *const packed_state_;
  float* z_;  // of the step that is next, or is at work
};

template <class Rule>
class UnitShare {
 public:
  UnitShare(const Rule& rule, const ForwardPass& pass, const ForwardStates& states, UnitRange units)
      : pass_(pass),
        layer_(pass.recurrence, pass.geometry, units, pass.inputs),
        packed_(layer_.size()),
        slice_(rule, pass, (layer_.place(packed_.data()), layer_), states) {}

  // Of a step that has two, the first stage ends where r * h is known.
  static constexpr int kStagesOfStep = Rule::kCandidateApart ? 2 : 1;

  void work(int64_t stage) {
    if (stage == 0) pack();
    if (stage % kStagesOfStep == 0) slice_.begin_step(stage / kStagesOfStep);
    if (stage % kStagesOfStep == kStagesOfStep - 1) slice_.end_step(stage / kStagesOfStep);
  }

 private:
  void pack() const {
    layer_.pack_bias(pass_.geometry.slots, pass_.inputs.bias, two_biases(pass_.recurrence));
    for (int part = 0; part < layer_.parts(); ++part) layer_.pack(part);
  }

  const ForwardPass& pass_;
  PackedLayer layer_;
  const Scratch packed_;
  ForwardSlice<Rule> slice_;
};

template <class Rule>
void share_units(const Rule& rule, const ForwardPass& pass, Team& team, int count) {
  const ForwardStates states(pass, 0, pass.geometry.batch, true);
  const int64_t vectors = pass.geometry.padded_units / kLanes;
  const std::unique_ptr<std::unique_ptr<UnitShare<Rule>>[]> shares(new std::unique_ptr<UnitShare<Rule>>[count]);
  for (int i = 0; i < count; ++i) {
    const int64_t begin = vectors * i / count * kLanes, end = vectors * (i + 1) / count * kLanes;
    shares[i].reset(new UnitShare<Rule>(rule, pass, states, {begin, end - begin}));
  }
  states.read();
  Stages stages(pass.plan.steps() * UnitShare<Rule>::kStagesOfStep, count);
  stages.run(team, [&](int64_t stage, int share) { shares[share]->work(stage); });
  states.write();
}

// Below this many multiply-adds a thread is not worth waking.
constexpr int64_t kWorkForThread = 1000000;
// Below this many in each step a thread is not worth meeting.
constexpr int64_t kWorkForMeeting = 32000;

UNROLLED_INLINE int threads_for(int64_t rows, int64_t work) {
  const int64_t most = work / kWorkForThread;
  return static_cast<int>(at_most(rows, most < 1 ? 1 : at_most(most, 4096)));
}

template <class Rule>
void share_rows(const Rule& rule, const ForwardPass& pass, Team& team) {
  PackedLayer layer(pass.recurrence, pass.geometry, pass.geometry.all_units(), pass.inputs);
  const Scratch scratch(layer.size());
  layer.place(scratch.data());
  layer.pack_bias(pass.geometry.slots, pass.inputs.bias, two_biases(pass.recurrence));
  team.run(layer.parts(), [&](int part) { layer.pack(part); });
  const int slices = team.size();
  team.run(slices, [&](int i) {
    const int64_t begin = i == 0 ? 0 : pass.plan.slice_end(i - 1, slices), end = pass.plan.slice_end(i, slices);
    if (begin == end) return;
    const ForwardStates states(pass, begin, end, false);
    ForwardSlice<Rule>(rule, pass, layer, states).run();
  });
}

template <class Rule>
void run_forward(const Rule& rule, const Recurrence& recurrence, const Sizes& sizes, const Inputs& inputs,
                 const Outputs& outputs, float* tape) {
  const Geometry geometry(recurrence, sizes);
  const Plan plan(recurrence, sizes, inputs.mask);
  const ForwardPass pass{recurrence, geometry, plan, inputs, outputs, tape};
  const int64_t work = plan.first(plan.steps()) * (sizes.features + sizes.units) * geometry.row;
  const int for_rows = threads_for(sizes.batch, work);
  const int64_t most =
      at_most(geometry.padded_units / kLanes, sizes.batch * sizes.units * geometry.row / kWorkForMeeting);
  int for_units = threads_for(most < 1 ? 1 : most, work);
  if (for_units > for_rows && !Stages::are_worthwhile()) for_units = for_rows;
  Team team(for_rows > for_units ? for_rows : for_units);
  const int shares = static_cast<int>(at_most(team.size(), for_units));
  if (sizes.batch < shares) {
    share_units(rule, pass, team, shares);
  } else {
    share_rows(rule, pass, team);
  }
}

}  // namespace unrolled::UNROLLED_ISA
