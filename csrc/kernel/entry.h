// The entry points of a cell: from its equations to the table of its kernels.
#pragma once

#include "dispatch.h"
#include "kernel/backward.h"

namespace unrolled::UNROLLED_TARGET {

// The kernels of each cell, for the activations of a recurrence. Defined in the file of the cell.
const CellKernels& lstm_kernels(const Recurrence& recurrence);
const CellKernels& gru_kernels(const Recurrence& recurrence);
const CellKernels& simple_rnn_kernels(const Recurrence& recurrence);

// A forward pass of one step that is run again and again, with its schedule, packed weights and memory kept.
template <class CellType>
class CellStream final : public Stream {
 public:
  CellStream(const Recurrence& recurrence, const Sizes& sizes, const Inputs& weights)
      : cell_(recurrence),
        recurrence_(one_step(recurrence)),
        dims_(recurrence_, sizes),
        schedule_(recurrence_, sizes, nullptr, nullptr),
        inputs_(weights),
        weights_(recurrence_, dims_, dims_.all_units(), weights),
        states_(pass_, 0, sizes.batch, false),
        slice_(cell_, pass_, weights_, states_) {
    weights_.pack();
  }

  void step(const float* inputs, float* h, float* c) override {
    const FlushDenormals flush;
    inputs_.sequences = inputs;
    inputs_.initial_h = outputs_.h = h;
    inputs_.initial_c = outputs_.c = c;
    slice_.run();
  }

 private:
  static Recurrence one_step(Recurrence recurrence) {
    recurrence.go_backwards = recurrence.return_sequences = false;
    return recurrence;
  }

  const CellType cell_;
  const Recurrence recurrence_;
  const Dims dims_;
  const BatchSchedule schedule_;
  Inputs inputs_;
  Outputs outputs_{};
  const ForwardPass pass_{recurrence_, dims_, schedule_, inputs_, outputs_, nullptr};
  const LayerWeights weights_;
  const ForwardStates states_;
  ForwardSlice<CellType> slice_;
};

template <class CellType>
Stream* open_cell_stream(const Recurrence& recurrence, int64_t batch, int64_t features, int64_t units,
                         const float* kernel, const float* recurrent_kernel, const float* bias) {
  Inputs weights{};
  weights.kernel = kernel;
  weights.recurrent_kernel = recurrent_kernel;
  weights.bias = bias;
  return new CellStream<CellType>(recurrence, {batch, 1, features, units}, weights);
}

template <class CellType>
constexpr CellKernels kCellKernels{run_forward<CellType>, run_backward<CellType>, open_cell_stream<CellType>};

// The usual pairs of activations are constants of compiled cells; one more cell looks up all others as it runs.
template <template <class, class> class CellType>
const CellKernels& select_kernels(const Recurrence& recurrence) {
  using Sigmoid = StaticActivation<Activation::sigmoid>;
  if (recurrence.recurrent_activation == Activation::sigmoid && recurrence.activation == Activation::tanh)
    return kCellKernels<CellType<StaticActivation<Activation::tanh>, Sigmoid>>;
  if (recurrence.recurrent_activation == Activation::sigmoid && recurrence.activation == Activation::relu)
    return kCellKernels<CellType<StaticActivation<Activation::relu>, Sigmoid>>;
  return kCellKernels<CellType<DynamicActivation, DynamicActivation>>;
}

}  // namespace unrolled::UNROLLED_TARGET
