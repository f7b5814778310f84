#include "kernel/gemm.h"

namespace unrolled::UNROLLED_TARGET {

template <int Rows>
UNROLLED_INLINE void multiply_thin(const float* a, const float* b, int64_t panel_stride, int64_t depth,
                                   const float* start, int64_t start_stride, float* c, int64_t c_stride) {
  tile<Rows, kTileVectors, kThinPanels, kRowStride>(a, 1, b, kPanel, panel_stride, depth, start, start_stride, c,
                                                    c_stride);
}

void multiply(const float* a, int64_t block_rows, int64_t first, int64_t rows, int64_t begin, const Panels& b,
              const float* start, int64_t start_stride, float* c, int64_t c_stride) {
  if (rows <= 0) return;
  for (int64_t k = 0; k < b.depth;) {
    const int64_t column = begin + k;
    const int64_t depth = at_most(kDepth - column % kDepth, b.depth - k);
    const float* const left = a + (column / kDepth * block_rows + first) * kRowStride + column % kDepth;
    int64_t n = 0;
    if (rows <= kThinRows) {
      constexpr int64_t kWide = kThinPanels * kPanel;
      for (; n + kWide <= b.columns; n += kWide) {
        const float* const right = b.data + n * b.depth + k * kPanel;
        const int64_t stride = kPanel * b.depth;
        if (rows == 1) {
          multiply_thin<1>(left, right, stride, depth, start + n, start_stride, c + n, c_stride);
        } else {
          multiply_thin<2>(left, right, stride, depth, start + n, start_stride, c + n, c_stride);
        }
      }
    }
    for (; n < b.columns; n += panel_width(b.columns, n)) {
      const int64_t width = panel_width(b.columns, n);
      const float* const right = b.data + n * b.depth + k * width;
      if (width == kPanel) {
        multiply_panel<kTileVectors>(left, rows, right, depth, start + n, start_stride, c + n, c_stride);
      } else {
        multiply_panel<1>(left, rows, right, depth, start + n, start_stride, c + n, c_stride);
      }
    }
    k += depth;
    start = c;
    start_stride = c_stride;
  }
}

}  // namespace unrolled::UNROLLED_TARGET
