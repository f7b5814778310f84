#include "bindings/arguments.h"

#include <algorithm>
#include <array>
#include <stdexcept>

#include "runtime/workspace.h"

namespace unrolled {
namespace {

constexpr double kMostFloats = 1e15;  // petabytes

std::string format_shape(const int64_t* shape, size_t rank) {
  std::string text = "[";
  for (size_t axis = 0; axis < rank; ++axis) text += (axis ? ", " : "") + std::to_string(shape[axis]);
  return text + "]";
}

template <typename T = float>
T* required(const Array& array, std::initializer_list<int64_t> shape) {
  return static_cast<T*>(check_array(array, shape, alignof(T)));
}

template <typename T = float>
T* optional(const Array& array, std::initializer_list<int64_t> shape) {
  return array.is_absent() ? nullptr : required<T>(array, shape);
}

int32_t check_masks(const Array& dropout, const Recurrence& recurrence) {
  const int64_t count = dropout.rank && !dropout.is_absent() ? dropout.shape[0] : 1;
  if (count != 1 && count != gate_count(recurrence))
    throw_unexpected(dropout,
                     std::string("1 or ") + std::to_string(gate_count(recurrence)) + " masks of " + dropout.name);
  return static_cast<int32_t>(count);
}

Inputs check_inputs(const Recurrence& recurrence, const Sizes& sizes, const InputArrays& arrays) {
  const auto [batch, time, features, units] = sizes;
  const int64_t columns = gate_count(recurrence) * units;
  Inputs inputs{};
  inputs.sequences = required(arrays.sequences, {batch, time, features});
  inputs.kernel = required(arrays.kernel, {features, columns});
  inputs.recurrent_kernel = required(arrays.recurrent_kernel, {units, columns});
  inputs.bias = check_bias(arrays.bias, recurrence, units);
  inputs.initial_h = optional(arrays.initial_h, {batch, units});
  inputs.initial_c = check_cell_state(arrays.initial_c, recurrence, sizes);
  inputs.mask = optional<uint8_t>(arrays.mask, {batch, time});
  inputs.resets = optional<uint8_t>(arrays.resets, {batch, time});
  inputs.input_dropout_masks = check_masks(arrays.input_dropout, recurrence);
  inputs.input_dropout = optional(arrays.input_dropout, {inputs.input_dropout_masks, batch, features});
  inputs.recurrent_dropout_masks = check_masks(arrays.recurrent_dropout, recurrence);
  inputs.recurrent_dropout = optional(arrays.recurrent_dropout, {inputs.recurrent_dropout_masks, batch, units});
  return inputs;
}

}  // namespace

bool Array::is_absent() const { return rank == 0 ? !data : rank == 1 && shape[0] == 0; }

void throw_unexpected(const Array& array, const std::string& expected) {
  const std::string actual = array.data || array.rank ? format_shape(array.shape, array.rank) : "none";
  throw std::invalid_argument("native kernel: expected " + expected + ", got " + actual +
                              ". Shape arrays as unrolled.kernels.spec says.");
}

void* check_array(const Array& array, std::initializer_list<int64_t> shape, size_t alignment) {
  if (array.rank != shape.size() || !std::equal(shape.begin(), shape.end(), array.shape))
    throw_unexpected(array, array.name + (" " + format_shape(shape.begin(), shape.size())));
  if (reinterpret_cast<uintptr_t>(array.data) % alignment)
    throw std::invalid_argument(std::string("native kernel: expected ") + array.name + " at a multiple of " +
                                std::to_string(alignment) + " bytes, got an array that begins in between. Copy it.");
  return array.data;
}

float* check_cell_state(const Array& array, const Recurrence& recurrence, const Sizes& sizes) {
  if (recurrence.cell != Cell::lstm && !array.is_absent()) throw_unexpected(array, std::string("no ") + array.name);
  return optional(array, {sizes.batch, sizes.units});
}

int64_t gate_count(const Recurrence& recurrence) {
  return recurrence.cell == Cell::lstm ? 4 : recurrence.cell == Cell::gru ? 3 : 1;
}

float* check_bias(const Array& bias, const Recurrence& recurrence, int64_t units) {
  const int64_t columns = gate_count(recurrence) * units;
  if (recurrence.cell == Cell::gru && recurrence.reset_after) return optional(bias, {2, columns});
  return optional(bias, {columns});
}

void check_recurrence(const Recurrence& recurrence) {
  const auto is_known = [](auto value, auto last) {
    return static_cast<int32_t>(value) >= 0 && static_cast<int32_t>(value) <= static_cast<int32_t>(last);
  };
  if (!is_known(recurrence.cell, Cell::simple_rnn) || !is_known(recurrence.activation, Activation::gelu) ||
      !is_known(recurrence.recurrent_activation, Activation::gelu))
    throw std::invalid_argument("native kernel: expected a cell and activations of kernels.h, got other numbers.");
}

Sizes check_sizes(const Recurrence& recurrence, const InputArrays& arrays) {
  check_recurrence(recurrence);
  const Array& sequences = arrays.sequences;
  if (sequences.rank != 3 || sequences.shape[1] < 1 || sequences.shape[2] < 1)
    throw_unexpected(sequences, "sequences [B, T, F] of at least one step and feature");
  const Array& recurrent_kernel = arrays.recurrent_kernel;
  if (recurrent_kernel.rank != 2 || recurrent_kernel.shape[0] < 1)
    throw_unexpected(recurrent_kernel, "recurrent_kernel [H, G*H]");
  return {sequences.shape[0], sequences.shape[1], sequences.shape[2], recurrent_kernel.shape[0]};
}

int64_t checked_tape_size(const Recurrence& recurrence, const Sizes& sizes) {
  check_recurrence(recurrence);
  if (sizes.batch < 0 || sizes.time < 1 || sizes.features < 1 || sizes.units < 1)
    throw std::invalid_argument("native kernel: expected sizes of at least 1, got a smaller one.");
  // An upper bound, in floating point: a product of absurd sizes overflows the integers.
  const double rows = static_cast<double>(sizes.batch) * (static_cast<double>(sizes.time) + 2);
  const double columns = 6.0 * (static_cast<double>(sizes.units) + 16) + static_cast<double>(sizes.features);
  if (rows * columns > kMostFloats)
    throw std::invalid_argument(
        "native kernel: expected B * T * H of a size that fits into memory, got " +
        format_shape(std::array{sizes.batch, sizes.time, sizes.features, sizes.units}.data(), 4) +
        " = [B, T, F, H]. Use smaller batches.");
  return sizes.batch ? tape_size(recurrence, sizes) : 0;
}

ForwardCall::ForwardCall(const Recurrence& recurrence, const InputArrays& arrays, const ResultArrays& results,
                         const Array& tape)
    : recurrence_(recurrence),
      sizes_(check_sizes(recurrence, arrays)),
      inputs_(check_inputs(recurrence, sizes_, arrays)),
      tape_(optional(tape, {checked_tape_size(recurrence, sizes_)})) {
  const auto [batch, time, features, units] = sizes_;
  outputs_.outputs = required(results.outputs, {batch, recurrence.return_sequences ? time : 1, units});
  outputs_.h = required(results.h, {batch, units});
  outputs_.c = check_cell_state(results.c, recurrence, sizes_);
  if (recurrence.cell == Cell::lstm) required(results.c, {batch, units});
}

void ForwardCall::run() const {
  if (sizes_.batch == 0) return;
  if (tape_ != nullptr) use_large_pages(tape_, tape_size(recurrence_, sizes_));
  if (recurrence_.return_sequences) use_large_pages(outputs_.outputs, sizes_.batch * sizes_.time * sizes_.units);
  forward(recurrence_, sizes_, inputs_, outputs_, tape_);
}

BackwardCall::BackwardCall(const Recurrence& recurrence, const InputArrays& arrays, const Array& tape,
                           const ResultArrays& cotangents, const GradientArrays& gradients)
    : recurrence_(recurrence),
      sizes_(check_sizes(recurrence, arrays)),
      inputs_(check_inputs(recurrence, sizes_, arrays)),
      tape_(required(tape, {checked_tape_size(recurrence, sizes_)})) {
  const auto [batch, time, features, units] = sizes_;
  const int64_t columns = gate_count(recurrence) * units;
  cotangents_.outputs = optional(cotangents.outputs, {batch, recurrence.return_sequences ? time : 1, units});
  cotangents_.h = optional(cotangents.h, {batch, units});
  cotangents_.c = check_cell_state(cotangents.c, recurrence, sizes_);
  gradients_.sequences = optional(gradients.sequences, {batch, time, features});
  gradients_.kernel = optional(gradients.kernel, {features, columns});
  gradients_.recurrent_kernel = optional(gradients.recurrent_kernel, {units, columns});
  gradients_.bias = check_bias(gradients.bias, recurrence, units);
  gradients_.initial_h = optional(gradients.initial_h, {batch, units});
  gradients_.initial_c = check_cell_state(gradients.initial_c, recurrence, sizes_);
}

void BackwardCall::run() const {
  if (sizes_.batch) {
    use_large_pages(gradients_.sequences, sizes_.batch * sizes_.time * sizes_.features);
    return backward(recurrence_, sizes_, inputs_, tape_, cotangents_, gradients_);
  }
  // Without sequences, only the gradients of the weights have elements.
  const int64_t columns = gate_count(recurrence_) * sizes_.units;
  if (gradients_.kernel) std::fill_n(gradients_.kernel, sizes_.features * columns, 0.0f);
  if (gradients_.recurrent_kernel) std::fill_n(gradients_.recurrent_kernel, sizes_.units * columns, 0.0f);
  const int rows = recurrence_.cell == Cell::gru && recurrence_.reset_after ? 2 : 1;
  if (gradients_.bias) std::fill_n(gradients_.bias, rows * columns, 0.0f);
}

}  // namespace unrolled
