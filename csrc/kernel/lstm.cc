#include "kernel/entry.h"

namespace unrolled::UNROLLED_TARGET {
namespace {

// i = s(z_i)  f = s(z_f)  g = a(z_c)  o = s(z_o)
// c' = f * c + i * g
// h' = o * a(c')
template <class Act, class RecurrentAct>
struct LstmCell {
  static constexpr bool kSeparateRecurrentSlot = false;
  static constexpr bool kSeparateCandidate = false;

  explicit LstmCell(const Recurrence& recurrence) : a(recurrence.activation), s(recurrence.recurrent_activation) {}

  void forward_step(const ForwardRow& row) const {
    const int64_t units = row.units;
    for (int64_t n = 0; n < units; n += kLanes) {
      const Vec z_i = load(row.z + n), z_f = load(row.z + units + n);
      const Vec z_c = load(row.z + 2 * units + n), z_o = load(row.z + 3 * units + n);
      const Vec i = s.value(z_i), f = s.value(z_f), g = a.value(z_c), o = s.value(z_o);
      const Vec c = f * load(row.c_before + n) + i * g;
      store(row.c + n, c);
      store(row.h + n, o * a.value(c));
      if (row.gates == nullptr) continue;
      store(row.gates + n, s.saved(z_i, i));
      store(row.gates + row.gate_stride + n, s.saved(z_f, f));
      store(row.gates + 2 * row.gate_stride + n, a.saved(z_c, g));
      store(row.gates + 3 * row.gate_stride + n, s.saved(z_o, o));
    }
  }

  void backward_step(const BackwardRow& row) const {
    const int64_t units = row.units;
    for (int64_t n = 0; n < units; n += kLanes) {
      const Vec saved_i = load(row.gates + n), saved_f = load(row.gates + units + n);
      const Vec saved_g = load(row.gates + 2 * units + n), saved_o = load(row.gates + 3 * units + n);
      const Vec c = load(row.c + n), y = a.value(c);
      const Vec dh = load(row.dh + n);
      const Vec dc = load(row.dc + n) + a.pull_back(a.saved(c, y), dh * s.value_of_saved(saved_o));
      store(row.dz + n, s.pull_back(saved_i, dc * a.value_of_saved(saved_g)));
      store(row.dz + units + n, s.pull_back(saved_f, dc * load(row.c_before + n)));
      store(row.dz + 2 * units + n, a.pull_back(saved_g, dc * s.value_of_saved(saved_i)));
      store(row.dz + 3 * units + n, s.pull_back(saved_o, dh * y));
      store(row.dc + n, dc * s.value_of_saved(saved_f));
      store(row.dh + n, Vec{});
    }
  }

  Act a;
  RecurrentAct s;
};

}  // namespace

const CellKernels& lstm_kernels(const Recurrence& recurrence) { return select_kernels<LstmCell>(recurrence); }

}  // namespace unrolled::UNROLLED_TARGET
