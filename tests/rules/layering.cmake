# cmake -DROOT=DIR -P layering.cmake: reads the arrow of dependencies off the includes.
#
#   tests, perf -> gateway -> { crypto, nat, conf } -> stack
#   inside stack: l2tp, ppp, ip, link -> wire -> base      inside crypto: esp, ike -> prim
#
# and keeps each foreign library behind one door. Prints file:line of every violation.
cmake_minimum_required(VERSION 3.25)
include(${CMAKE_CURRENT_LIST_DIR}/report.cmake)

# What a folder may include of ours, as a pattern; the longest folder that fits a file counts.
set(folders
  stack/base stack/wire stack/link stack/ip stack/l2tp stack/ppp
  crypto/prim crypto/esp crypto/ike nat conf gateway perf tests)
set(may_stack/base "stack/base/")
set(may_stack/wire "stack/(base|wire)/")
set(may_stack/link "stack/(base|wire|link)/")
set(may_stack/ip "stack/(base|wire|ip)/")
set(may_stack/l2tp "stack/(base|wire|l2tp)/")
set(may_stack/ppp "stack/(base|wire|ppp)/")
set(may_crypto/prim "(stack|crypto/prim)/")
set(may_crypto/esp "(stack|crypto/prim|crypto/esp)/")
set(may_crypto/ike "(stack|crypto/prim|crypto/ike)/")
set(may_nat "(stack|nat)/")
set(may_conf "(stack/base|conf)/")
set(may_gateway "(stack|crypto|nat|conf|gateway)/")
set(may_perf "(stack|crypto|nat|conf|gateway|perf|tests/support)/")
set(may_tests "(stack|crypto|nat|conf|gateway|tests)/")

# A foreign header (pattern) and the files (pattern) that may include it.
set(doors
  "botan/"                       "crypto/prim/|perf/prim_bench\\.cc$"
  "intel-ipsec-mb\\.h"           "crypto/esp/ipsec_mb_engine\\.cc$"
  "toml\\+\\+|toml\\.hpp"        "conf/toml\\.cc$"
  "spdlog/"                      "gateway/io/log\\.cc$"
  "CLI/"                         "gateway/[a-z_/]+\\.cc$"
  "tins/"                        "tests/"
  "gtest/|gmock/"                "tests/"
  "benchmark/"                   "perf/"
  "nftables/"                    "gateway/io/"
  "(sys|net|netinet|linux|arpa|netpacket)/"  "(gateway/io|tests/gateway/(io|shard))/"
  "(thread|mutex|shared_mutex|condition_variable|future)$"  "(gateway|tests|perf)/"
  "(iostream|fstream)$"          "(gateway|conf|tests|perf)/")

function(check_ours file number header)
  set(owner "")
  foreach(folder ${folders})
    string(FIND "${file}" "${folder}/" at)
    if(at EQUAL 0)
      set(owner ${folder})
    endif()
  endforeach()
  if(owner STREQUAL "")
    report("${file}:${number}: ${file} is in no folder of the house")
  elseif(NOT header MATCHES "^${may_${owner}}")
    report("${file}:${number}: ${owner} may not include \"${header}\"")
  elseif(NOT EXISTS ${ROOT}/${header})
    report("${file}:${number}: no such file \"${header}\": includes are from the root")
  endif()
endfunction()

function(check_foreign file number header)
  set(rest ${doors})
  while(rest)
    list(POP_FRONT rest library door)
    if(header MATCHES "^(${library})" AND NOT file MATCHES "^${door}")
      report("${file}:${number}: <${header}> belongs in ${door} alone")
    endif()
  endwhile()
endfunction()

# toml++, spdlog and CLI11 are slow to compile: one file each, wherever it is.
function(count_door file header)
  if(NOT file MATCHES "^tests/" AND header MATCHES "^(CLI|spdlog|toml\\+\\+|toml)")
    set(library ${CMAKE_MATCH_1})
    get_property(known GLOBAL PROPERTY "door of ${library}")
    if(known AND NOT known STREQUAL file)
      report("${file}: ${library} is already included by ${known}; one file is the rule")
    endif()
    set_property(GLOBAL PROPERTY "door of ${library}" ${file})
  endif()
endfunction()

sources(files)
foreach(file ${files})
  # grep numbers the lines; reading them with CMake would trip over brackets and semicolons.
  execute_process(COMMAND grep -nE "^[ \t]*#[ \t]*include" ${ROOT}/${file} OUTPUT_VARIABLE lines)
  string(REGEX MATCHALL "[0-9]+:[^\n]*" lines "${lines}")
  foreach(line ${lines})
    if(line MATCHES "^([0-9]+):[^\"<]*\"([^\"]+)\"")
      set(number ${CMAKE_MATCH_1})
      set(header ${CMAKE_MATCH_2})
      # Some libraries are included in quotes.
      if(header MATCHES "^(absl|botan|spdlog|CLI|toml|tins|gtest|gmock|nlohmann|benchmark)[/.+]")
        check_foreign(${file} ${number} ${header})
        count_door(${file} ${header})
      else()
        check_ours(${file} ${number} ${header})
      endif()
    elseif(line MATCHES "^([0-9]+):[^<]*<([^>]+)>")
      set(number ${CMAKE_MATCH_1})
      set(header ${CMAKE_MATCH_2})
      check_foreign(${file} ${number} ${header})
      count_door(${file} ${header})
    endif()
  endforeach()
endforeach()
verdict("layering")
