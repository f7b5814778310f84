// The backward pass that all cells share: everything but the equations of one row at one step.
//
// Steps are taken in chunks, the last one first. In each chunk every thread first takes its slice of
// the batch back through the steps and leaves the gradients of the gates behind; then the
// threads share out the panels of the weight gradients, which are one product with the rows of all
// sequences and steps of the chunk as its depth. The order of that sum is the order of the plan.
#pragma once

#include "kernel/weight_gradients.h"

namespace unrolled::UNROLLED_ISA {

template <class Rule>
class BackwardSlice {
 public:
  BackwardSlice(const Rule& rule, const Recurrence& recurrence, const Geometry& geometry, const Plan& plan,
                const Inputs& inputs, const Cotangents& cotangents, const Gradients& gradients,
                const BackwardPass& pass, const Tape& tape, int64_t begin, int64_t end)
      : rule_(rule),
        recurrence_(recurrence),
        geometry_(geometry),
        plan_(plan),
        inputs_(inputs),
        cotangents_(cotangents),
        gradients_(gradients),
        pass_(pass),
        tape_(tape),
        begin_(begin),
        rows_(end - begin),
        block_steps_(rows_ >= kBlockRows || gradients.sequences == nullptr ? 1 : kBlockRows / rows_),
        block_rows_(rows_ * block_steps_),
        units_stride_(row_stride(geometry.units)),
        features_stride_(row_stride(geometry.features)),
        scratch_(packed_rows_size(block_rows_, geometry.row) + rows_ * units_stride_ + block_rows_ * features_stride_ +
                 zeros_size(geometry)),
        packed_(scratch_.data()),
        product_(packed_ + packed_rows_size(block_rows_, geometry.row)),
        dx_(product_ + rows_ * units_stride_),
        zeros_(dx_ + block_rows_ * features_stride_) {
    std::memset(zeros_, 0, static_cast<size_t>(zeros_size(geometry)) * sizeof(float));
  }

  void run() const {
    const int64_t steps = at_most(pass_.chunk_end, plan_.length(begin_));
    for (int64_t to = steps; to > pass_.chunk_begin;) {
      const int64_t from = to - at_most(block_steps_, to - pass_.chunk_begin);
      int64_t q = 0;
      for (int64_t s = to; s-- > from;) q += retreat(s, q);
      if (gradients_.sequences != nullptr) input_gradients(from, to, q);
      to = from;
    }
  }

 private:
  static int64_t zeros_size(const Geometry& geometry) {
    const int64_t features = round_up(geometry.features, kLanes);
    return features > geometry.row ? features : geometry.row;
  }

  int64_t active(int64_t s) const { return plan_.active(s, begin_ + rows_) - begin_; }
  float* dh(int64_t r) const { return pass_.dh + (begin_ + r) * geometry_.padded_units; }
  float* dc(int64_t r) const { return pass_.dc + (begin_ + r) * geometry_.padded_units; }
  const float* factors(const float* dropout, int mask, int64_t r, int64_t columns) const {
    return row_of(dropout, mask * geometry_.batch + plan_.sequence(begin_ + r), columns);
  }

  // An infinite input makes NaN of the zeros that pad its weights; it must not reach the products.
  void clear_padding(float* dz, int from_slot, int to_slot) const {
    const int64_t padding = geometry_.padded_units - geometry_.units;
    if (padding == 0) return;
    for (int slot = from_slot; slot < to_slot; ++slot) {
      std::memset(dz + slot * geometry_.padded_units + geometry_.units, 0,
                  static_cast<size_t>(padding) * sizeof(float));
    }
  }

  // Where a step of a row stands in the chunk.
  int64_t chunk_row(int64_t s, int64_t r) const { return plan_.first(s) - plan_.first(pass_.chunk_begin) + begin_ + r; }

  BackwardRow row_at(int64_t s, int64_t r) const {
    return {tape_.gates(s, begin_ + r),
            tape_.h(s, begin_ + r),
            tape_.c(s, begin_ + r),
            tape_.c(s + 1, begin_ + r),
            dh(r),
            dc(r),
            pass_.gate_gradients.row(chunk_row(s, r)),
            geometry_.padded_units};
  }

  // One step back. Its rows are packed from row q of the block on; gives their number.
  int64_t retreat(int64_t s, int64_t q) const {
    const int64_t rows = active(s);
    if constexpr (Rule::kCandidateApart) retreat_candidate(s, q, rows);
    for (int64_t r = 0; r < rows; ++r) {
      const BackwardRow row = row_at(s, r);
      if constexpr (Rule::kCandidateApart) {
        rule_.retreat_reset(row, product_ + r * units_stride_);
        clear_padding(row.dz, 2, 3);
        pack_row(packed_, block_rows_, q + r, 2 * geometry_.padded_units, row.dz + 2 * geometry_.padded_units,
                 geometry_.padded_units, nullptr);
      } else {
        add_output_gradient(s, r);
        rule_.retreat(row);
        clear_padding(row.dz, 0, geometry_.slots.slots);
        pack_row(packed_, block_rows_, q + r, 0, row.dz, geometry_.row, nullptr);
      }
    }
    for (int g = Rule::kCandidateApart ? 1 : 0; g < pass_.recurrent_groups.count; ++g) multiply_state(g, q, rows);
    return rows;
  }

  // dz[0] comes first where r * h is an operand of its own: the gradient of r needs the product with it.
  void retreat_candidate(int64_t s, int64_t q, int64_t rows) const {
    for (int64_t r = 0; r < rows; ++r) {
      const BackwardRow row = row_at(s, r);
      add_output_gradient(s, r);
      rule_.retreat_candidate(row);
      clear_padding(row.dz, 0, 2);
      pack_row(packed_, block_rows_, q + r, 0, row.dz, 2 * geometry_.padded_units, nullptr);
    }
    multiply(packed_, block_rows_, q, rows, 0, pass_.recurrent_kernel.panels(0), zeros_, 0, product_, units_stride_);
    if (inputs_.recurrent_dropout == nullptr) return;
    for (int64_t r = 0; r < rows; ++r) {
      const float* const mask =
          factors(inputs_.recurrent_dropout, pass_.recurrent_groups.group[0].mask, r, geometry_.units);
      float* const product = product_ + r * units_stride_;
      for (int64_t n = 0; n < geometry_.units; ++n) product[n] *= mask[n];
    }
  }

  // The output of a step is also that of the masked steps after it.
  void add_output_gradient(int64_t s, int64_t r) const {
    if (cotangents_.outputs == nullptr) return;
    const int64_t b = plan_.sequence(begin_ + r), length = plan_.length(begin_ + r);
    const bool repeats = plan_.masked() && !recurrence_.zero_output_for_mask;
    const int64_t place = plan_.position(begin_ + r, s);
    const int64_t next = s + 1 < length ? plan_.position(begin_ + r, s + 1) : geometry_.time;
    if (!recurrence_.return_sequences) {
      if (s + 1 == length && (repeats || place + 1 == geometry_.time))
        add(dh(r), cotangents_.outputs + b * geometry_.units);
      return;
    }
    for (int64_t p = place; p < (repeats ? next : place + 1); ++p) {
      add(dh(r), cotangents_.outputs + (b * geometry_.time + p) * geometry_.units);
    }
  }

  void add(float* to, const float* from) const {
    int64_t n = 0;
    for (; n + kLanes <= geometry_.units; n += kLanes) store(to + n, load(to + n) + load(from + n));
    for (; n < geometry_.units; ++n) to[n] += from[n];
  }

  // dh += (dz recurrent_kernel^T) * the factors of the group's operand.
  void multiply_state(int index, int64_t q, int64_t rows) const {
    const Group& group = pass_.recurrent_groups.group[index];
    const int64_t column = group.first_slot * geometry_.padded_units;
    const Panels panels = pass_.recurrent_kernel.panels(index);
    if (inputs_.recurrent_dropout == nullptr) {
      multiply(packed_, block_rows_, q, rows, column, panels, dh(0), geometry_.padded_units, dh(0),
               geometry_.padded_units);
      return;
    }
    multiply(packed_, block_rows_, q, rows, column, panels, zeros_, 0, product_, units_stride_);
    for (int64_t r = 0; r < rows; ++r) {
      const float* const mask = factors(inputs_.recurrent_dropout, group.mask, r, geometry_.units);
      const float* const from = product_ + r * units_stride_;
      float* const to = dh(r);
      for (int64_t n = 0; n < geometry_.units; ++n) to[n] += from[n] * mask[n];
    }
  }

  // dx = sum over groups of (dz kernel^T) * the factors of the group's operand.
  void input_gradients(int64_t from, int64_t to, int64_t rows) const {
    for (int g = 0; g < pass_.input_groups.count; ++g) {
      const Group& group = pass_.input_groups.group[g];
      multiply(packed_, block_rows_, 0, rows, group.first_slot * geometry_.padded_units, pass_.kernel.panels(g), zeros_,
               0, dx_, features_stride_);
      const float* product = dx_;
      for (int64_t s = to; s-- > from;) {
        for (int64_t r = 0, end = active(s); r < end; ++r, product += features_stride_) {
          const int64_t time = plan_.time(plan_.position(begin_ + r, s));
          float* const dx =
              gradients_.sequences + (plan_.sequence(begin_ + r) * geometry_.time + time) * geometry_.features;
          const float* const mask = factors(inputs_.input_dropout, group.mask, r, geometry_.features);
          if (g == 0 && mask == nullptr) {
            std::memcpy(dx, product, static_cast<size_t>(geometry_.features) * sizeof(float));
          } else {
            for (int64_t n = 0; n < geometry_.features; ++n) {
              dx[n] = (g == 0 ? 0.0f : dx[n]) + (mask != nullptr ? product[n] * mask[n] : product[n]);
            }
          }
        }
      }
    }
  }

  const Rule& rule_;
  const Recurrence& recurrence_;
  const Geometry& geometry_;
  const Plan& plan_;
  const Inputs& inputs_;
  const Cotangents& cotangents_;
  const Gradients& gradients_;
  const BackwardPass& pass_;
  const Tape& tape_;
  const int64_t begin_, rows_, block_steps_, block_rows_, units_stride_, features_stride_;
  const Scratch scratch_;
  float *const packed_, *const product_, *const dx_, *const zeros_;
};

// Rows of a chunk: it should stay in cache, and holds one step at least.
UNROLLED_INLINE int64_t rows_of_chunk(const Plan& plan, int64_t batch, int64_t row_size) {
  constexpr int64_t kChunk = 1 << 20;  // floats
  const int64_t rows = kChunk / row_size < batch ? batch : kChunk / row_size;
  return at_most(rows, plan.first(plan.steps()));
}

template <class Rule>
void run_backward(const Rule& rule, const Recurrence& recurrence, const Sizes& sizes, const Inputs& inputs,
                  const float* tape_data, const Cotangents& cotangents, const Gradients& gradients) {
  const Geometry geometry(recurrence, sizes);
  const Plan plan(recurrence, sizes, inputs.mask);
  const Tape tape(geometry, plan, tape_data);
  BackwardPass pass(recurrence, geometry, inputs);
  Operands operands(recurrence, geometry, plan, inputs, tape, pass, gradients);
  const int64_t most_rows = rows_of_chunk(plan, geometry.batch, pass.gate_gradients.stride() + operands.row_size());
  const int64_t states = geometry.batch * geometry.padded_units;
  const int64_t kernel_size = gradients.sequences != nullptr ? pass.kernel.size() : 0;
  const Scratch scratch(2 * states + pass.recurrent_kernel.size() + kernel_size +
                        most_rows * (pass.gate_gradients.stride() + operands.row_size()));
  pass.dh = scratch.data();
  pass.dc = pass.dh + states;
  pass.recurrent_kernel.packed = pass.dc + states;
  pass.kernel.packed = pass.recurrent_kernel.packed + pass.recurrent_kernel.size();
  pass.gate_gradients.data = pass.kernel.packed + kernel_size;
  operands.place(pass.gate_gradients.row(most_rows), most_rows);
  const WeightGradients weight_gradients(geometry, pass, operands, gradients, two_biases(recurrence));

  for (int64_t r = 0; r < geometry.batch; ++r) {
    const int64_t b = plan.sequence(r);
    copy_padded(pass.dh + r * geometry.padded_units, row_of(cotangents.h, b, geometry.units), geometry.units,
                geometry.padded_units);
    copy_padded(pass.dc + r * geometry.padded_units, row_of(cotangents.c, b, geometry.units), geometry.units,
                geometry.padded_units);
  }
  if (gradients.sequences != nullptr && plan.masked()) {
    std::memset(gradients.sequences, 0, static_cast<size_t>(sizes.batch * sizes.time * sizes.features) * sizeof(float));
  }

  Team team(threads_for(sizes.batch, plan.first(plan.steps()) * (sizes.features + sizes.units) * geometry.row));
  const int recurrent_parts = pass.recurrent_kernel.parts();
  team.run(recurrent_parts + (kernel_size > 0 ? pass.kernel.parts() : 0), [&](int part) {
    if (part < recurrent_parts) {
      pass.recurrent_kernel.pack(part);
    } else {
      pass.kernel.pack(part - recurrent_parts);
    }
  });
  const bool weights_wanted = operands.count() > 0 || gradients.bias != nullptr;
  const int slices = team.size();
  for (int64_t end = plan.steps(); end > 0; end = pass.chunk_begin) {
    pass.take_chunk(plan, end, most_rows);
    // Whoever is first through its slice packs the operands.
    team.run(slices + operands.parts(), [&](int i) {
      if (i >= slices) return operands.pack(i - slices);
      const int64_t from = i == 0 ? 0 : plan.slice_end(i - 1, slices), to = plan.slice_end(i, slices);
      if (from == to) return;
      BackwardSlice<Rule>(rule, recurrence, geometry, plan, inputs, cotangents, gradients, pass, tape, from, to).run();
    });
    if (weights_wanted) weight_gradients.add_chunk(team, end == plan.steps());
  }
  if (weights_wanted) weight_gradients.write(team, plan.steps() == 0);
  for (int64_t r = 0; r < geometry.batch; ++r) {
    const int64_t b = plan.sequence(r);
    const size_t bytes = static_cast<size_t>(geometry.units) * sizeof(float);
    if (gradients.initial_h != nullptr)
      std::memcpy(gradients.initial_h + b * geometry.units, pass.dh + r * geometry.padded_units, bytes);
    if (gradients.initial_c != nullptr)
      std::memcpy(gradients.initial_c + b * geometry.units, pass.dc + r * geometry.padded_units, bytes);
  }
}

}  // namespace unrolled::UNROLLED_ISA
