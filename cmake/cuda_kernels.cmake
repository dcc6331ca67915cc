# The library replicate_cuda: kernels on plain pointers, without LibTorch, so that they compile wherever nvcc is, GPU or not.
# With REPLICATE_CUDA they are linked too (models/cuda_glue.cpp).
#
#   -DREPLICATE_CUDA_KERNELS=AUTO    compile them where nvcc is found (CUDACXX, CUDA_HOME, beside LibTorch, /usr/local/cuda,
#                                    PATH); ON: stop where it is not; OFF: do not look

set(REPLICATE_CUDA_KERNELS AUTO CACHE STRING "Compile the CUDA kernels: AUTO, ON, OFF")
set(REPLICATE_HAS_CUDA_KERNELS FALSE)
if(REPLICATE_CUDA_KERNELS STREQUAL "OFF")
  return()
endif()

include(CheckLanguage)
if(NOT DEFINED ENV{CUDACXX} AND NOT CMAKE_CUDA_COMPILER)  # CUDA's own place is often not on the PATH
  find_program(REPLICATE_NVCC nvcc HINTS "$ENV{CUDA_HOME}/bin" "${LIBTORCH}/../nvidia/cu13/bin" /usr/local/cuda/bin)
  if(REPLICATE_NVCC)
    set(ENV{CUDACXX} "${REPLICATE_NVCC}")
  endif()
endif()
if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES 80-real 90)  # A100, H100 and H200; PTX of the latter for what comes behind them
endif()
check_language(CUDA)
if(NOT CMAKE_CUDA_COMPILER)
  if(REPLICATE_CUDA_KERNELS STREQUAL "ON")
    message(FATAL_ERROR "no nvcc that works (PATH, CUDACXX, CUDA_HOME): "
                        "install CUDA 12 or newer, or set REPLICATE_CUDA_KERNELS=AUTO")
  endif()
  message(STATUS "no nvcc: without CUDA kernels")
  return()
endif()
enable_language(CUDA)
if(CMAKE_CUDA_COMPILER_VERSION VERSION_LESS 12)
  message(STATUS "nvcc ${CMAKE_CUDA_COMPILER_VERSION} has no C++20: without CUDA kernels")
  return()
endif()
if(NOT DEFINED CMAKE_CUDA20_STANDARD_COMPILE_OPTION)  # CMake 3.25 does not know that nvcc has C++20
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
  set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION -std=c++20)
endif()
set(CMAKE_CUDA_STANDARD 20)

file(GLOB CUDA_SOURCES CONFIGURE_DEPENDS models/cuda/*.cu)
add_library(replicate_cuda STATIC ${CUDA_SOURCES})
target_compile_options(replicate_cuda PRIVATE -Xcompiler=-Wall,-Wextra)
target_include_directories(replicate_cuda SYSTEM PUBLIC ${CMAKE_CUDA_TOOLKIT_INCLUDE_DIRECTORIES})
set_target_properties(replicate_cuda PROPERTIES POSITION_INDEPENDENT_CODE ON)
set(REPLICATE_HAS_CUDA_KERNELS TRUE)
message(STATUS "CUDA kernels: nvcc ${CMAKE_CUDA_COMPILER_VERSION}, architectures ${CMAKE_CUDA_ARCHITECTURES}")
