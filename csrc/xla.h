// Handlers of XLA's foreign function interface, as jax.ffi.register_ffi_target takes them.
#pragma once

namespace unrolled {

void* xla_forward();
void* xla_backward();

}  // namespace unrolled
