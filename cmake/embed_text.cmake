# A text file becomes a constant of the program, which then runs without the file.
#
#   embed_text(TARGET FILE HEADER NAME)
#     TARGET   the library that holds it
#     FILE     the text, from the root; a change of it builds the constant anew
#     HEADER   declares the constant, from the root
#     NAME     of the constant with its namespace, an `extern const std::string_view`
if(CMAKE_SCRIPT_MODE_FILE)
  file(READ ${FILE} text)
  file(WRITE ${OUT} "#include \"${HEADER}\"\n\nconst std::string_view ${NAME} = R\"embedded(${text})embedded\";\n")
  return()
endif()

set(EMBED_TEXT_SCRIPT ${CMAKE_CURRENT_LIST_FILE})
function(embed_text target file header name)
  set(text ${CMAKE_SOURCE_DIR}/${file})
  set(out ${CMAKE_BINARY_DIR}/generated/${file}.cpp)
  add_custom_command(OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} -DFILE=${text} -DHEADER=${header} -DNAME=${name} -DOUT=${out} -P ${EMBED_TEXT_SCRIPT}
    DEPENDS ${text} ${EMBED_TEXT_SCRIPT} VERBATIM)
  target_sources(${target} PRIVATE ${out})
endfunction()
