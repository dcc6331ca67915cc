# cmake -DSOURCE=<repository> -DOUT=<header> -P commit.cmake
#
# Writes the header with the commit that is being built, "-dirty" appended when tracked files were changed.
# The file is touched only when its text changes, so that nothing is compiled again in vain. Without git or
# a repository (a container's build, a tarball) the environment variable REPLICATE_COMMIT, else what
# `git archive` wrote into commit.txt, else "unknown".

set(commit "$ENV{REPLICATE_COMMIT}")
if(NOT commit)
  file(STRINGS ${CMAKE_CURRENT_LIST_DIR}/commit.txt archived REGEX "^[0-9a-f]+$")
  string(SUBSTRING "${archived}" 0 12 commit)
endif()
find_package(Git QUIET)
if(GIT_FOUND AND EXISTS "${SOURCE}/.git")
  # A container may build a folder that belongs to somebody else; reading its commit is harmless.
  set(git ${GIT_EXECUTABLE} -c "safe.directory=*" -C "${SOURCE}")
  execute_process(COMMAND ${git} rev-parse --short=12 HEAD
    OUTPUT_VARIABLE head RESULT_VARIABLE failed OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  if(NOT failed)
    execute_process(COMMAND ${git} status --porcelain --untracked-files=no
      OUTPUT_VARIABLE changes ERROR_QUIET)
    set(commit "${head}")
    if(changes)
      string(APPEND commit "-dirty")
    endif()
  endif()
endif()
if(NOT commit)
  set(commit "unknown")
endif()

set(text "#pragma once\n#define REPLICATE_COMMIT \"${commit}\"\n")
set(written "")
if(EXISTS "${OUT}")
  file(READ "${OUT}" written)
endif()
if(NOT written STREQUAL text)
  file(WRITE "${OUT}" "${text}")
endif()
