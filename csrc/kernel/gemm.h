// The matrix product: one register tile, and the packing of its operands.
//
//   C[r, n] = start[r, n] + sum over k of A[r, k] * B[k, n]
//
// The sum runs over k in order, one multiply-add after another in one register, whatever the shape of the tile. So a
// row of C has the same bits whichever rows are computed with it, and results do not depend on the division of rows or
// columns among threads.
#pragma once

#include <cstdint>
#include <cstring>

#include "kernel/simd.h"

namespace unrolled::UNROLLED_TARGET {

// kTileRows x kTileVectors sums stay in registers; a few registers remain for the operands.
#if defined(__AVX512F__)
constexpr int kTileRows = 12, kTileVectors = 2;
#elif defined(__AVX2__)
constexpr int kTileRows = 6, kTileVectors = 2;
#elif defined(__aarch64__)
constexpr int kTileRows = 6, kTileVectors = 4;
#else
constexpr int kTileRows = 4, kTileVectors = 2;
#endif
constexpr int kPanel = kTileVectors * kLanes;  // columns of a packed panel of B
constexpr int64_t kDepth = 256;                // of a block of A; with one panel of B it fits the L1 cache
constexpr int64_t kRowStride = kDepth + 16;    // not a power of two, else rows would share cache sets
constexpr int kThinRows = 2;                   // with so few rows one panel cannot hide the latency of the sums
constexpr int kThinPanels = 4;

UNROLLED_INLINE int64_t round_up(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}
UNROLLED_INLINE int64_t at_most(int64_t value, int64_t bound) { return value < bound ? value : bound; }

// A stride for rows of `columns` floats: a multiple of the vector, and not of 2 KB.
UNROLLED_INLINE int64_t row_stride(int64_t columns) { return round_up(columns, kLanes) + 16; }

// Computes Rows rows of C in Panels panels of Vectors vectors each.
//
// a: element (r, k) of A is at a[r * RowStride + k * a_step]. RowStride is a constant, else the compiler spills the
//   sums.
// b: element (k, n) of panel p of B is at b[p * panel_stride + k * b_step + n].
// start, c: rows of start and C, start_stride and c_stride apart; start may be C itself.
template <int Rows, int Vectors, int Panels, int64_t RowStride>
UNROLLED_INLINE void tile(const float* a, int64_t a_step, const float* b, int64_t b_step, int64_t panel_stride,
                          int64_t depth, const float* start, int64_t start_stride, float* c, int64_t c_stride) {
  Vec sum[Rows][Panels][Vectors];
#pragma GCC unroll 16
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 8
    for (int p = 0; p < Panels; ++p)
#pragma GCC unroll 8
      for (int v = 0; v < Vectors; ++v) sum[r][p][v] = load(start + r * start_stride + (p * Vectors + v) * kLanes);
  for (int64_t k = 0; k < depth; ++k) {
    Vec right[Panels][Vectors];
#pragma GCC unroll 8
    for (int p = 0; p < Panels; ++p)
#pragma GCC unroll 8
      for (int v = 0; v < Vectors; ++v) right[p][v] = load(b + p * panel_stride + v * kLanes);
#pragma GCC unroll 16
    for (int r = 0; r < Rows; ++r) {
      const Vec left = broadcast(a[r * RowStride]);
#pragma GCC unroll 8
      for (int p = 0; p < Panels; ++p)
#pragma GCC unroll 8
        for (int v = 0; v < Vectors; ++v) sum[r][p][v] += left * right[p][v];
    }
    a += a_step;
    b += b_step;
  }
#pragma GCC unroll 16
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 8
    for (int p = 0; p < Panels; ++p)
#pragma GCC unroll 8
      for (int v = 0; v < Vectors; ++v) store(c + r * c_stride + (p * Vectors + v) * kLanes, sum[r][p][v]);
}

// Calls tile() for 1 to Rows rows.
template <int Vectors, int64_t RowStride, int Rows = kTileRows>
UNROLLED_INLINE void tile_of(int64_t rows, const float* a, int64_t a_step, const float* b, int64_t b_step,
                             int64_t depth, const float* start, int64_t start_stride, float* c, int64_t c_stride) {
  if (rows == Rows) {
    tile<Rows, Vectors, 1, RowStride>(a, a_step, b, b_step, 0, depth, start, start_stride, c, c_stride);
  } else if constexpr (Rows > 1) {
    tile_of<Vectors, RowStride, Rows - 1>(rows, a, a_step, b, b_step, depth, start, start_stride, c, c_stride);
  }
}

// B of a product, packed for tile(): panels of kPanel columns, then panels of one vector for the remaining columns.
// Element (k, p + n), in the panel that begins at column p, is at data[p * depth + k * width + n]. Not owned.
struct Panels {
  const float* data;
  int64_t depth;
  int64_t columns;  // a multiple of kLanes
};

UNROLLED_INLINE int64_t panel_width(int64_t columns, int64_t first_column) {
  return columns - first_column >= kPanel ? kPanel : kLanes;
}

// Packs one vector of columns of B, of which `valid` exist and the others are zero, to rows that are `width` apart.
// Element (k, n) of B is at from[k * row_stride + n].
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

// The same from the transposed matrix: element (k, n) of B is at from[n * row_stride + k].
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

// The number of floats of A packed for tile(): blocks of kDepth columns, each with all rows kRowStride apart.
UNROLLED_INLINE int64_t packed_rows_size(int64_t rows, int64_t depth) {
  return round_up(depth, kDepth) / kDepth * rows * kRowStride;
}

// Packs row r of `rows` rows of A, from column `begin` on: from[k] * factors[k]; factors may be null.
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

// C = start + A B.
//
// a: packed block of `block_rows` rows, of which A is the `rows` rows from row `first` on, in the columns
//   [begin, begin + b.depth).
// start: [rows, b.columns], rows start_stride apart, 0 for the same start in every row; may be C itself.
// c: [rows, b.columns], rows c_stride apart; does not overlap A or B.
void multiply(const float* a, int64_t block_rows, int64_t first, int64_t rows, int64_t begin, const Panels& b,
              const float* start, int64_t start_stride, float* c, int64_t c_stride);

}  // namespace unrolled::UNROLLED_TARGET
