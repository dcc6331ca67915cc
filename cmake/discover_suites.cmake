# A test of CTest per suite of a Google Test program, where gtest_discover_tests makes one per test: a program that loads
# LibTorch takes longer to start than most of its tests take to run.
#
#   discover_suites(TARGET)
function(discover_suites target)
  set(list ${CMAKE_CURRENT_BINARY_DIR}/${target}_suites.cmake)
  add_custom_command(
    TARGET ${target} POST_BUILD BYPRODUCTS ${list} VERBATIM
    COMMAND ${CMAKE_COMMAND} -D PROGRAM=$<TARGET_FILE:${target}> -D LIST=${list} -P ${CMAKE_SOURCE_DIR}/cmake/list_suites.cmake)
  # Not there before the first build, which CTest then says.
  file(WRITE ${list}.in "if(EXISTS \"${list}\")\n  include(\"${list}\")\nelse()\n  add_test(${target}_NOT_BUILT ${target}_NOT_BUILT)\nendif()\n")
  set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES ${list}.in)
endfunction()
