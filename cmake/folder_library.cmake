# A folder is a library: the one NAME of all sources in this folder and below it. What it links are folders that stand
# above it in the top CMakeLists.txt, which tests/house_test.py holds its includes to.
#
#   folder_library(NAME [OBJECT] [APART] [TEXT] [TORCH])
#     OBJECT   object files in place of an archive, from which a linker would leave out what nothing names
#     APART    one compiler per source even where CMAKE_UNITY_BUILD compiles several together: its sources have private
#              names in common, or are too few to gain from it
#     TEXT     what they do is read and write text: optimising that takes longer than it ever saves
#     TORCH    the sources include LibTorch, which the precompiled header of models/core reads once for all of them
function(folder_library name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "OBJECT;APART;TEXT;TORCH" "" "")
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.cpp")
  set(kind STATIC)
  if(arg_OBJECT)
    set(kind OBJECT)
  endif()
  add_library(${name} ${kind} ${sources})
  if(arg_APART)
    set_target_properties(${name} PROPERTIES UNITY_BUILD OFF)
  endif()
  if(arg_TEXT)
    target_compile_options(${name} PRIVATE -O1)
  endif()
  if(arg_TORCH)
    target_precompile_headers(${name} REUSE_FROM replicate_models_core)
  endif()
endfunction()
