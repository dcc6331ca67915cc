#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace replicate {

/// How ggml stores the numbers of a tensor. The q types hold 32 numbers a block: float16 scale d
/// (and minimum m), then the quants q. q4_0: d (q - 8); q4_1: d q + m; q8_0: d q. Source:
/// block_q4_0, block_q4_1 and block_q8_0 in ggml-common.h.
enum class TensorType { f32, f16, bf16, q4_0, q4_1, q8_0 };

std::string_view type_name(TensorType type);  ///< as ggml spells it: "F32", "Q4_1", ...
int64_t block_elements(TensorType type);      ///< numbers in a block: 1 or 32
int64_t block_bytes(TensorType type);         ///< bytes of a block

/// Decodes whole blocks to float32, exactly: no value is rounded that the format's definition does
/// not round. Callers slice `bytes` by block to decode some rows. Any alignment. Error when
/// `numbers` is no whole number of blocks, or `bytes` is not as long as those blocks.
void dequantize(TensorType type, std::span<const std::byte> bytes, std::span<float> numbers);

}  // namespace replicate
