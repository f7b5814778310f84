#include "kernel/entry.h"

namespace unrolled::UNROLLED_TARGET {
namespace {

// Offsets of the slots of a row (kernel/gate_layout.h).
struct GruSlots {
  explicit GruSlots(int64_t units) : z(units), r(2 * units), q(3 * units) {}
  int64_t z, r, q;  // that of the candidate is 0
};

// z = s(z_z)  r = s(z_r)  g = a(z_h + r * q)   where q = h R_h + b_h
// h' = z * h + (1 - z) * g
template <class Act, class RecurrentAct>
struct GruResetAfterCell {
  static constexpr bool kSeparateRecurrentSlot = true;
  static constexpr bool kSeparateCandidate = false;

  explicit GruResetAfterCell(const Recurrence& recurrence)
      : a(recurrence.activation), s(recurrence.recurrent_activation) {}

  void forward_step(const ForwardRow& row) const {
    const GruSlots slots(row.units), saved(row.gate_stride);
    for (int64_t n = 0; n < row.units; n += kLanes) {
      const Vec z_z = load(row.z + slots.z + n), z_r = load(row.z + slots.r + n), q = load(row.z + slots.q + n);
      const Vec z = s.value(z_z), r = s.value(z_r);
      const Vec z_h = load(row.z + n) + r * q, g = a.value(z_h);
      store(row.h + n, z * load(row.h_before + n) + (1.0f - z) * g);
      if (row.gates == nullptr) continue;
      store(row.gates + n, a.saved(z_h, g));
      store(row.gates + saved.z + n, s.saved(z_z, z));
      store(row.gates + saved.r + n, s.saved(z_r, r));
      store(row.gates + saved.q + n, q);
    }
  }

  void backward_step(const BackwardRow& row) const {
    const GruSlots slots(row.units);
    for (int64_t n = 0; n < row.units; n += kLanes) {
      const Vec saved_g = load(row.gates + n), saved_z = load(row.gates + slots.z + n);
      const Vec saved_r = load(row.gates + slots.r + n), q = load(row.gates + slots.q + n);
      const Vec z = s.value_of_saved(saved_z), dh = load(row.dh + n);
      const Vec dz_h = a.pull_back(saved_g, dh * (1.0f - z));
      store(row.dz + n, dz_h);
      store(row.dz + slots.z + n, s.pull_back(saved_z, dh * (load(row.h_before + n) - a.value_of_saved(saved_g))));
      store(row.dz + slots.r + n, s.pull_back(saved_r, dz_h * q));
      store(row.dz + slots.q + n, dz_h * s.value_of_saved(saved_r));
      store(row.dh + n, dh * z);
    }
  }

  Act a;
  RecurrentAct s;
};

// z = s(z_z)  r = s(z_r)  p = r * h  g = a(z_h)   where z_h contains p R_h
// h' = z * h + (1 - z) * g
template <class Act, class RecurrentAct>
struct GruResetBeforeCell {
  static constexpr bool kSeparateRecurrentSlot = false;
  static constexpr bool kSeparateCandidate = true;

  explicit GruResetBeforeCell(const Recurrence& recurrence)
      : a(recurrence.activation), s(recurrence.recurrent_activation) {}

  // p: [units] out: r * h. Reads the r slot of z.
  void forward_reset(const float* z, const float* h_before, float* p, int64_t units) const {
    const GruSlots slots(units);
    for (int64_t n = 0; n < units; n += kLanes) store(p + n, s.value(load(z + slots.r + n)) * load(h_before + n));
  }

  void forward_step(const ForwardRow& row) const {
    const GruSlots slots(row.units), saved(row.gate_stride);
    for (int64_t n = 0; n < row.units; n += kLanes) {
      const Vec z_h = load(row.z + n), z_z = load(row.z + slots.z + n), z_r = load(row.z + slots.r + n);
      const Vec g = a.value(z_h), z = s.value(z_z);
      store(row.h + n, z * load(row.h_before + n) + (1.0f - z) * g);
      if (row.gates == nullptr) continue;
      store(row.gates + n, a.saved(z_h, g));
      store(row.gates + saved.z + n, s.saved(z_z, z));
      store(row.gates + saved.r + n, s.saved(z_r, s.value(z_r)));
    }
  }

  void backward_candidate(const BackwardRow& row) const {
    const GruSlots slots(row.units);
    for (int64_t n = 0; n < row.units; n += kLanes) {
      const Vec saved_g = load(row.gates + n), saved_z = load(row.gates + slots.z + n);
      const Vec z = s.value_of_saved(saved_z), dh = load(row.dh + n);
      store(row.dz + n, a.pull_back(saved_g, dh * (1.0f - z)));
      store(row.dz + slots.z + n, s.pull_back(saved_z, dh * (load(row.h_before + n) - a.value_of_saved(saved_g))));
      store(row.dh + n, dh * z);
    }
  }

  // dp: [units] gradient of p, times its dropout factors.
  void backward_reset(const BackwardRow& row, const float* dp) const {
    const GruSlots slots(row.units);
    for (int64_t n = 0; n < row.units; n += kLanes) {
      const Vec saved_r = load(row.gates + slots.r + n), product = load(dp + n);
      store(row.dz + slots.r + n, s.pull_back(saved_r, product * load(row.h_before + n)));
      store(row.dh + n, load(row.dh + n) + product * s.value_of_saved(saved_r));
    }
  }

  Act a;
  RecurrentAct s;
};

}  // namespace

const CellKernels& gru_kernels(const Recurrence& recurrence) {
  return recurrence.reset_after ? select_kernels<GruResetAfterCell>(recurrence)
                                : select_kernels<GruResetBeforeCell>(recurrence);
}

}  // namespace unrolled::UNROLLED_TARGET
