# Runs in CPack, over what was installed: what Debian wants otherwise than an installation from source.
if(NOT CPACK_GENERATOR STREQUAL "DEB")
  return()
endif()
file(GLOB_RECURSE pages ${CPACK_TEMPORARY_DIRECTORY}/usr/share/man/*.1)
foreach(page ${pages})
  # Without name and time, so that the same source gives the same package.
  execute_process(COMMAND gzip -9nf ${page} COMMAND_ERROR_IS_FATAL ANY)
endforeach()
set(documents ${CPACK_TEMPORARY_DIRECTORY}/usr/share/doc/fabricheck)
string(TIMESTAMP today "%a, %d %b %Y %H:%M:%S +0000" UTC)  # SOURCE_DATE_EPOCH where that is set
file(WRITE ${documents}/changelog "${CPACK_PACKAGE_NAME} (${CPACK_PACKAGE_VERSION}) unstable; urgency=medium

  * Built from the source of this version.

 -- ${CPACK_PACKAGE_CONTACT}  ${today}
")
file(CHMOD ${documents}/changelog PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ)
execute_process(COMMAND gzip -9nf ${documents}/changelog COMMAND_ERROR_IS_FATAL ANY)
file(REMOVE ${documents}/LICENSE)
file(WRITE ${documents}/copyright "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: fabricheck

Files: *
Copyright: 2026 fabricheck maintainers
License: Apache-2.0
 On Debian systems the whole text of the licence is in
 /usr/share/common-licenses/Apache-2.0.
")
file(CHMOD ${documents}/copyright PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ)
