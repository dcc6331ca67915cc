# The imported target replicate::torch.
#
# LibTorch's own find_package(Torch) stops where a CUDA build of it meets a machine without the CUDA
# toolkit, which is what most readers have. We only need headers and two to four shared libraries,
# so we name them ourselves; that works with the CPU build and with the CUDA build alike.
#
#   -DLIBTORCH=DIR          directory that holds include/ and lib/: an unpacked wheel's torch/, or a
#                           LibTorch archive. Default: the environment's LIBTORCH, else what
#                           scripts/setup unpacked.
#   -DREPLICATE_CUDA=ON     links torch_cuda and c10_cuda too.

set(_libtorch_default "$ENV{LIBTORCH}")
if(NOT _libtorch_default)
  set(_libtorch_assets "$ENV{REPLICATE_ASSETS}")
  if(NOT _libtorch_assets)
    set(_libtorch_assets "${CMAKE_SOURCE_DIR}/.assets")
  endif()
  set(_libtorch_default "${_libtorch_assets}/libtorch")
  if(EXISTS "${_libtorch_assets}/stamps/cuda")
    set(_libtorch_default "${_libtorch_assets}/cuda/torch")
  endif()
endif()
set(LIBTORCH "${_libtorch_default}" CACHE PATH "Directory of LibTorch: holds include/ and lib/")

# Fails with one line that says what is missing where, and what to do.
function(_libtorch_require path)
  if(NOT EXISTS "${LIBTORCH}/${path}")
    message(FATAL_ERROR "LibTorch has no ${path} (${LIBTORCH}): "
                        "run scripts/setup, or set LIBTORCH to the folder that holds include/ and lib/")
  endif()
endfunction()

# The version stands in a header since 2.9, and in another one before.
function(_libtorch_version result)
  set(version "")
  foreach(header torch/headeronly/version.h torch/csrc/api/include/torch/version.h)
    if(EXISTS "${LIBTORCH}/include/${header}")
      file(STRINGS "${LIBTORCH}/include/${header}" lines REGEX "#define TORCH_VERSION_(MAJOR|MINOR|PATCH) ")
      string(REGEX MATCHALL "[0-9]+" numbers "${lines}")
      list(LENGTH numbers count)
      if(count EQUAL 3)
        list(JOIN numbers "." version)
        break()
      endif()
    endif()
  endforeach()
  set(${result} "${version}" PARENT_SCOPE)
endfunction()

_libtorch_require(include/torch/csrc/api/include/torch/torch.h)
_libtorch_require(lib/libtorch_cpu.so)
_libtorch_require(lib/libc10.so)
_libtorch_version(LIBTORCH_VERSION)
if(NOT LIBTORCH_VERSION OR LIBTORCH_VERSION VERSION_LESS 2.11)
  message(FATAL_ERROR "LibTorch is version '${LIBTORCH_VERSION}' (${LIBTORCH}): 2.11 or newer is needed")
endif()
message(STATUS "LibTorch ${LIBTORCH_VERSION}: ${LIBTORCH}")

get_filename_component(_libtorch_lib "${LIBTORCH}/lib" REALPATH)

# Where an import must be linked although no symbol of it is named, because it registers itself when
# it is loaded, the linker's --as-needed (the default of some distributions) has to be held off.
function(_libtorch_import name)
  _libtorch_require(lib/lib${name}.so)
  add_library(replicate::${name} SHARED IMPORTED)
  set_target_properties(replicate::${name} PROPERTIES
    IMPORTED_LOCATION "${_libtorch_lib}/lib${name}.so"
    INTERFACE_LINK_OPTIONS "LINKER:--no-as-needed")
endfunction()

_libtorch_import(torch_cpu)
_libtorch_import(c10)
set(_libtorch_libraries replicate::torch_cpu replicate::c10)
if(REPLICATE_CUDA)
  _libtorch_import(torch_cuda)
  _libtorch_import(c10_cuda)
  list(PREPEND _libtorch_libraries replicate::torch_cuda replicate::c10_cuda)
endif()

# at::parallel_for is a header: without -fopenmp it runs on one thread in our own code. The program
# must then load LibTorch's own copy of the OpenMP runtime, not a second one: two thread pools would
# fight for the cores. Hence that copy is what we link, and -fopenmp is for the compiler alone.
file(GLOB _libtorch_gomp "${_libtorch_lib}/libgomp*.so*")
add_library(replicate::torch INTERFACE IMPORTED)
target_include_directories(replicate::torch INTERFACE
  "${LIBTORCH}/include" "${LIBTORCH}/include/torch/csrc/api/include")
target_compile_definitions(replicate::torch INTERFACE
  _GLIBCXX_USE_CXX11_ABI=1 $<$<BOOL:${REPLICATE_CUDA}>:REPLICATE_CUDA=1>)
target_compile_features(replicate::torch INTERFACE cxx_std_20)
target_compile_options(replicate::torch INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-fopenmp>)
target_link_libraries(replicate::torch INTERFACE ${_libtorch_libraries} ${_libtorch_gomp})
# CMake gives binaries in the build tree an rpath to an imported library; the runtime wheels of CUDA
# lie beside it, and an installed binary needs the folder too.
target_link_options(replicate::torch INTERFACE "LINKER:-rpath,${_libtorch_lib}")
