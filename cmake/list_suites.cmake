# Writes into LIST what CTest has to run: each suite that PROGRAM says it has (discover_suites.cmake).
execute_process(COMMAND ${PROGRAM} --gtest_list_tests OUTPUT_VARIABLE listed COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "(^|\n)[A-Za-z0-9_/]+\\." suites "${listed}")  # a test's own line begins with spaces
set(tests "")
foreach(suite IN LISTS suites)
  string(REGEX REPLACE "[\n.]" "" suite "${suite}")
  string(APPEND tests "add_test(\"${suite}\" \"${PROGRAM}\" \"--gtest_filter=${suite}.*\")\n")
endforeach()
if(tests STREQUAL "")
  message(FATAL_ERROR "no suite of tests in ${PROGRAM}")
endif()
file(WRITE ${LIST} "${tests}")
