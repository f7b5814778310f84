#include "kernel/entry.h"

namespace unrolled::UNROLLED_TARGET {
namespace {

// h' = a(z)
template <class Act, class RecurrentAct>
struct SimpleRnnCell {
  static constexpr bool kSeparateRecurrentSlot = false;
  static constexpr bool kSeparateCandidate = false;

  explicit SimpleRnnCell(const Recurrence& recurrence) : a(recurrence.activation) {}

  void forward_step(const ForwardRow& row) const {
    for (int64_t n = 0; n < row.units; n += kLanes) {
      const Vec z = load(row.z + n), h = a.value(z);
      store(row.h + n, h);
      if (row.gates != nullptr) store(row.gates + n, a.saved(z, h));
    }
  }

  void backward_step(const BackwardRow& row) const {
    for (int64_t n = 0; n < row.units; n += kLanes) {
      store(row.dz + n, a.pull_back(load(row.gates + n), load(row.dh + n)));
      store(row.dh + n, Vec{});
    }
  }

  Act a;
};

}  // namespace

const CellKernels& simple_rnn_kernels(const Recurrence& recurrence) {
  Recurrence without_gates = recurrence;
  without_gates.recurrent_activation = Activation::sigmoid;  // unused, but part of the compiled pairs
  return select_kernels<SimpleRnnCell>(without_gates);
}

}  // namespace unrolled::UNROLLED_TARGET
