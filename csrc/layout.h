// How the columns of the gates lie in memory, and which of them share an operand.
#pragma once

#include "gemm.h"
#include "kernels.h"

namespace unrolled::UNROLLED_ISA {

// Consecutive units of a layer in whole vectors: those from H on are padding.
struct UnitRange {
  int64_t first, count;
};

// Rows of gates are padded: each gate has a slot of whole vectors. A GRU has a fourth slot, for the
// part of the candidate that comes from the state, and its slots are ordered so that those that meet
// `kernel` (h z r) and those that meet `recurrent_kernel` (z r and the fourth) both lie side by side.
struct Slots {
  int gates;              // G
  int slots;              // in a row
  int kernel_slot[4];     // of each gate
  int recurrent_slot[4];  // of each gate
};

constexpr Slots kLstmSlots{4, 4, {0, 1, 2, 3}, {0, 1, 2, 3}};
constexpr Slots kGruResetAfterSlots{3, 4, {1, 2, 0}, {1, 2, 3}};
constexpr Slots kGruResetBeforeSlots{3, 4, {1, 2, 0}, {1, 2, 0}};
constexpr Slots kSimpleRnnSlots{1, 1, {0}, {0}};

UNROLLED_INLINE const Slots& slots_of(const Recurrence& recurrence) {
  if (recurrence.cell == Cell::lstm) return kLstmSlots;
  if (recurrence.cell == Cell::simple_rnn) return kSimpleRnnSlots;
  return recurrence.reset_after ? kGruResetAfterSlots : kGruResetBeforeSlots;
}

// Gates in consecutive slots that are multiplied with the same operand.
struct Group {
  int first_slot;
  int slots;
  int gate[4];  // the gate of each slot
  int mask;     // the dropout mask of the operand
};

struct Groups {
  int count;
  Group group[4];
  int masks;  // different operands: 1, or one for each gate
};

// In a GRU that resets before the product, the candidate has an operand of its own: r * h.
UNROLLED_INLINE bool candidate_apart(const Recurrence& recurrence) {
  return recurrence.cell == Cell::gru && !recurrence.reset_after;
}

// One of the product with `kernel` and one of that with `recurrent_kernel`.
UNROLLED_INLINE bool two_biases(const Recurrence& recurrence) {
  return recurrence.cell == Cell::gru && recurrence.reset_after;
}

UNROLLED_INLINE Groups groups_of(const Slots& slots, const int* slot_of, int masks, bool candidate_apart) {
  Groups result{};
  result.masks = masks > 1 ? slots.gates : 1;
  int gate_in[4] = {-1, -1, -1, -1};
  for (int gate = 0; gate < slots.gates; ++gate) gate_in[slot_of[gate]] = gate;
  bool open = false;
  for (int slot = 0; slot < slots.slots; ++slot) {
    const int gate = gate_in[slot];
    if (gate < 0) continue;
    if (!open) {
      Group& next = result.group[result.count++];
      next.first_slot = slot;
      next.mask = masks > 1 ? gate : 0;
    }
    Group& group = result.group[result.count - 1];
    group.gate[group.slots++] = gate;
    open = masks <= 1 && !(candidate_apart && slot == 0);
  }
  return result;
}

// B of a product, packed for tile(): panels of kPanel columns, then panels of one vector for what is
// left. Column n of the panel that begins at column p is at data[p * depth + k * width + n] in row k.
struct Panels {
  const float* data;
  int64_t depth;
  int64_t columns;  // a multiple of kLanes
};

UNROLLED_INLINE int64_t panel_width(int64_t columns, int64_t first_column) {
  return columns - first_column >= kPanel ? kPanel : kLanes;
}

// One vector of columns of B, of which `valid` exist and the rest are zero; rows of the packed panel are
// `width` apart.
UNROLLED_INLINE void pack_columns(float* to, int64_t width, const float* from, int64_t row_stride, int64_t depth,
                                  int64_t valid) {
  for (int64_t k = 0; k < depth; ++k, to += width, from += row_stride) {
    if (valid >= kLanes) {
      store(to, load(from));
    } else {
      for (int64_t n = 0; n < kLanes; ++n) to[n] = n < valid ? from[n] : 0.0f;
    }
  }
}

// The same from the transposed matrix: column n of B is row n of `from`.
UNROLLED_INLINE void pack_columns_transposed(float* to, int64_t width, const float* from, int64_t row_stride,
                                             int64_t depth, int64_t valid) {
  constexpr int64_t kBlock = 16;
  for (int64_t k0 = 0; k0 < depth; k0 += kBlock) {
    const int64_t k1 = at_most(k0 + kBlock, depth);
    for (int64_t n = 0; n < kLanes; ++n) {
      if (n < valid) {
        for (int64_t k = k0; k < k1; ++k) to[k * width + n] = from[n * row_stride + k];
      } else {
        for (int64_t k = k0; k < k1; ++k) to[k * width + n] = 0.0f;
      }
    }
  }
}

// A of a product, packed for tile(): blocks of kDepth columns, in each all rows one after another.
UNROLLED_INLINE int64_t packed_rows_size(int64_t rows, int64_t depth) {
  return round_up(depth, kDepth) / kDepth * rows * kRowStride;
}

// Packs one row: row r of `rows`, from column `begin` on. factors may be null.
UNROLLED_INLINE void pack_row(float* packed, int64_t rows, int64_t r, int64_t begin, const float* from, int64_t count,
                              const float* factors) {
  int64_t k = 0;
  while (k < count) {
    const int64_t column = begin + k;
    float* to = packed + (column / kDepth * rows + r) * kRowStride + column % kDepth;
    const int64_t end = at_most(count, k + kDepth - column % kDepth);
    if (factors == nullptr) {
      for (; k + kLanes <= end; k += kLanes, to += kLanes) store(to, load(from + k));
      for (; k < end; ++k) *to++ = from[k];
    } else {
      for (; k + kLanes <= end; k += kLanes, to += kLanes) store(to, load(from + k) * load(factors + k));
      for (; k < end; ++k) *to++ = from[k] * factors[k];
    }
  }
}

template <int Vectors>
UNROLLED_INLINE void multiply_panel(const float* a, int64_t rows, const float* b, int64_t depth, const float* start,
                                    int64_t start_stride, float* c, int64_t c_stride) {
  const int64_t tiles = (rows + kTileRows - 1) / kTileRows;
  for (int64_t i = 0; i < tiles; ++i) {
    const int64_t from = rows * i / tiles, to = rows * (i + 1) / tiles;
    tile_of<Vectors, kRowStride>(to - from, a + from * kRowStride, 1, b, Vectors * kLanes, depth,
                                 start + from * start_stride, start_stride, c + from * c_stride, c_stride);
  }
}

// C[rows, columns] = start + A B, where A are `rows` rows from row `first` on of a packed block of
// `block_rows` rows, in its columns [begin, begin + depth of B). start may be C itself; a start_stride
// of 0 gives every row the same start.
void multiply(const float* a, int64_t block_rows, int64_t first, int64_t rows, int64_t begin, const Panels& b,
              const float* start, int64_t start_stride, float* c, int64_t c_stride);

}  // namespace unrolled::UNROLLED_ISA
