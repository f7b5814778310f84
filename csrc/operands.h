// The left operands of the weight gradients: what `kernel` and `recurrent_kernel` were multiplied with.
#pragma once

#include "backward.h"

namespace unrolled::UNROLLED_ISA {

#if defined(__AVX512F__)
constexpr int kGradientRows = 8;  // of a tile
#else
constexpr int kGradientRows = kTileRows;
#endif

// Those of one chunk of steps, packed for tile(): column c of row k is element c % kGradientRows of
// at(i, c / kGradientRows, k). There is one operand for each dropout mask of the inputs, then one for
// each of the state; where the candidate has an operand of its own, it is the last. What nobody wants is
// left out.
class Operands {
 public:
  Operands(const Recurrence& recurrence, const Geometry& geometry, const Plan& plan, const Inputs& inputs,
           const Tape& tape, const BackwardPass& pass, const Gradients& gradients)
      : geometry_(geometry), plan_(plan), inputs_(inputs), tape_(tape), pass_(pass) {
    if (gradients.kernel != nullptr) of_kernel_ = count_ = pass.input_groups.masks;
    if (gradients.recurrent_kernel != nullptr) {
      has_candidate_ = candidate_apart(recurrence);
      // With a mask for each gate, the last of them is the candidate's.
      count_ += pass.recurrent_groups.masks + (has_candidate_ && pass.recurrent_groups.masks == 1 ? 1 : 0);
    }
  }

  int count() const { return count_; }
  bool is_of_kernel(int i) const { return i < of_kernel_; }
  bool has_candidate() const { return has_candidate_; }
  bool is_candidate(int i) const { return has_candidate_ && i + 1 == count_; }
  int mask(int i) const { return is_of_kernel(i) ? i : i - of_kernel_; }
  int64_t columns(int i) const { return is_of_kernel(i) ? geometry_.features : geometry_.units; }
  int64_t tiles(int i) const { return (columns(i) + kGradientRows - 1) / kGradientRows; }

  // All operands' columns, one after another.
  int64_t first_column(int i) const {
    return i <= of_kernel_ ? i * geometry_.features
                           : of_kernel_ * geometry_.features + (i - of_kernel_) * geometry_.units;
  }

  // Floats of one row, all operands together.
  int64_t row_size() const { return first_tile(count_) * kGradientRows; }

  // Takes row_size() * most_rows floats.
  void place(float* at, int64_t most_rows) {
    data_ = at;
    most_rows_ = most_rows;
  }

  float* at(int i, int64_t tile, int64_t k) const {
    return data_ + ((first_tile(i) + tile) * most_rows_ + k) * kGradientRows;
  }

  // In this many independent parts.
  int parts() const { return count_ * static_cast<int>((pass_.depth + kRowsOfPart - 1) / kRowsOfPart); }

  void pack(int part) const {
    const int i = part % count_;
    const int64_t begin = part / count_ * kRowsOfPart, end = at_most(begin + kRowsOfPart, pass_.depth);
    const Scratch scratch(kTogether * columns(i));
    int64_t s = pass_.chunk_begin;
    for (int64_t k = begin; k < end; k += kTogether) {
      const int64_t count = at_most(kTogether, end - k);
      const float* rows[kTogether];
      for (int64_t j = 0; j < count; ++j) {
        const int64_t row = plan_.first(pass_.chunk_begin) + k + j;
        while (plan_.first(s + 1) <= row) ++s;
        rows[j] = row_of_operand(i, s, row - plan_.first(s), scratch.data() + j * columns(i));
      }
      pack_rows(i, k, rows, count);
    }
  }

 private:
  static constexpr int64_t kRowsOfPart = 128;
  static constexpr int64_t kTogether = 8;  // rows, so that a tile's are written side by side

  int64_t first_tile(int i) const {
    const int64_t of_kernel = (geometry_.features + kGradientRows - 1) / kGradientRows;
    const int64_t of_state = (geometry_.units + kGradientRows - 1) / kGradientRows;
    return i <= of_kernel_ ? i * of_kernel : of_kernel_ * of_kernel + (i - of_kernel_) * of_state;
  }

  // Where it stands; with dropout, where it has been multiplied to.
  const float* row_of_operand(int i, int64_t s, int64_t r, float* product) const {
    const int64_t b = plan_.sequence(r);
    if (is_of_kernel(i)) {
      const int64_t time = plan_.time(plan_.position(r, s));
      return times(inputs_.sequences + (b * geometry_.time + time) * geometry_.features,
                   row_of(inputs_.input_dropout, mask(i) * geometry_.batch + b, geometry_.features), geometry_.features,
                   product);
    }
    const int mask_of_state = is_candidate(i) ? pass_.recurrent_groups.group[0].mask : mask(i);
    return times(is_candidate(i) ? tape_.gates(s, r) + 3 * geometry_.padded_units : tape_.h(s, r),
                 row_of(inputs_.recurrent_dropout, mask_of_state * geometry_.batch + b, geometry_.units),
                 geometry_.units, product);
  }

  static const float* times(const float* row, const float* factors, int64_t count, float* product) {
    if (factors == nullptr) return row;
    int64_t n = 0;
    for (; n + kLanes <= count; n += kLanes) store(product + n, load(row + n) * load(factors + n));
    for (; n < count; ++n) product[n] = row[n] * factors[n];
    return product;
  }

  void pack_rows(int i, int64_t k, const float* const* rows, int64_t count) const {
    const int64_t whole = columns(i) / kGradientRows, rest = columns(i) % kGradientRows;
    for (int64_t tile = 0; tile < whole; ++tile) {
      float* to = at(i, tile, k);
      for (int64_t j = 0; j < count; ++j, to += kGradientRows)
        std::memcpy(to, rows[j] + tile * kGradientRows, kGradientRows * sizeof(float));
    }
    if (rest == 0) return;
    float* to = at(i, whole, k);
    for (int64_t j = 0; j < count; ++j, to += kGradientRows)
      std::memcpy(to, rows[j] + whole * kGradientRows, static_cast<size_t>(rest) * sizeof(float));
  }

  const Geometry& geometry_;
  const Plan& plan_;
  const Inputs& inputs_;
  const Tape& tape_;
  const BackwardPass& pass_;
  int of_kernel_ = 0, count_ = 0;
  bool has_candidate_ = false;
  float* data_ = nullptr;
  int64_t most_rows_ = 0;
};

}  // namespace unrolled::UNROLLED_ISA
