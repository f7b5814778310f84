// The table of one target.
#include "kernel/entry.h"

namespace unrolled::UNROLLED_TARGET {
namespace {

int64_t tape_size(const Recurrence& recurrence, const Sizes& sizes) { return Dims(recurrence, sizes).tape_size(); }

const CellKernels& cell_kernels(const Recurrence& recurrence) {
  switch (recurrence.cell) {
    case Cell::lstm: return lstm_kernels(recurrence);
    case Cell::gru: return gru_kernels(recurrence);
    case Cell::simple_rnn: return simple_rnn_kernels(recurrence);
  }
  __builtin_unreachable();
}

}  // namespace

const TargetKernels kKernels{tape_size, cell_kernels};

}  // namespace unrolled::UNROLLED_TARGET
