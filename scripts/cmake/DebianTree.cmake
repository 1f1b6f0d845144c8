# Runs in CPack, over what was installed: what Debian wants otherwise than an installation from source.
if(NOT CPACK_GENERATOR STREQUAL "DEB")
  return()
endif()
file(GLOB_RECURSE pages ${CPACK_TEMPORARY_DIRECTORY}/usr/share/man/*.1)
foreach(page ${pages})
  # Without name and time, so that the same source gives the same package.
  execute_process(COMMAND gzip -9nf ${page} COMMAND_ERROR_IS_FATAL ANY)
endforeach()
file(GLOB licences ${CPACK_TEMPORARY_DIRECTORY}/usr/share/doc/*/LICENSE)
foreach(licence ${licences})
  file(REMOVE ${licence})
  get_filename_component(folder ${licence} DIRECTORY)
  file(WRITE ${folder}/copyright "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: fabricheck

Files: *
Copyright: fabricheck maintainers
License: Apache-2.0
 On Debian systems the whole text of the licence is in
 /usr/share/common-licenses/Apache-2.0.
")
  file(CHMOD ${folder}/copyright PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ)
endforeach()
