# cmake -DROOT=DIR -P banned.cmake: words that may not stand where they stand, each with its reason.
# Prints file:line of every one.
cmake_minimum_required(VERSION 3.25)
include(${CMAKE_CURRENT_LIST_DIR}/report.cmake)

# ban(PATTERN WHERE EXCEPT REASON): an extended regular expression that grep finds, in files that match
# WHERE and do not match EXCEPT. Lines that are all comment do not count, but see ban_word.
function(ban pattern where except reason)
  find("${pattern}" "${where}" "${except}" "${reason}" "^[^:]+:[0-9]+:[ \t]*//")
endfunction()

# The same, in comments too.
function(ban_word pattern where except reason)
  find("${pattern}" "${where}" "${except}" "${reason}" "^$")
endfunction()

function(find pattern where except reason passing)
  set(chosen "")
  foreach(file ${files})
    if(file MATCHES "${where}" AND NOT file MATCHES "${except}")
      list(APPEND chosen ${file})
    endif()
  endforeach()
  if(NOT chosen)
    return()
  endif()
  execute_process(
    COMMAND grep -nHE "${pattern}" ${chosen} COMMAND grep -vE "${passing}" COMMAND cut -d: -f1,2
    WORKING_DIRECTORY ${ROOT} OUTPUT_VARIABLE places RESULTS_VARIABLE statuses)
  list(GET statuses 0 status)
  if(status GREATER 1)
    report("grep cannot read the pattern ${pattern}")
  endif()
  string(REGEX MATCHALL "[^\n]+" places "${places}")
  foreach(place ${places})
    report("${place}: ${reason}")
  endforeach()
endfunction()

set(all ".")
set(none "^$")
set(machines "^(stack|crypto|nat)/")

sources(files)
# Time and chance come in as arguments.
ban("absl::(Now|GetCurrentTimeNanos)\\(" ${all} "^gateway/io/|^tests/gateway/"
  "absl::Now belongs in gateway/io: time is an argument")
ban("_clock::now\\(|[^_a-zA-Z](clock_gettime|gettimeofday|time)\\((NULL|nullptr|0|CLOCK)" ${all} "^(gateway/io|tests|perf)/"
  "a clock outside gateway/io: time is an argument")
ban("[^_a-zA-Z:.](rand|srand|random|drand48)\\(|std::(rand|random_device|mt19937|default_random_engine)" ${all} "^tests/"
  "randomness comes through stack::Rng")
ban("[^_a-zA-Z](sleep|usleep|nanosleep)\\(|sleep_for|sleep_until" ${all} "^(tests|perf)/"
  "nothing here may sleep")
# Machines say what happened as values.
ban("[^_a-zA-Z](printf|fprintf|puts|fputs|perror)\\(|std::(cout|cerr|clog|puts)" "^(stack|crypto|nat|conf)/" ${none}
  "no output from a library: tell it as an event or a result")
ban("[^_a-zA-Z](assert|abort|exit|terminate)\\(" "^(stack|crypto|nat|conf)/" ${none}
  "nothing a stranger sends may end the program")
ban("(^|[^_a-zA-Z])(throw[ ;]|try *\\{|catch *\\()" "^(stack|nat)/" ${none}
  "no exceptions here: Result or Drop")
ban("std::(function|any)[< ]" ${machines} ${none}
  "machines do not call back")
ban("std::(mutex|atomic|thread|lock_guard)|thread_local" ${machines} "^crypto/prim/"
  "machines know no threads")
# Bytes.
ban("[^_a-zA-Z](strcpy|strcat|sprintf|vsprintf|gets|alloca|strtok|atoi|atol)\\(" ${all} ${none}
  "unchecked C function")
ban("reinterpret_cast" "^(stack|crypto|nat|conf)/" "^(stack/base/bytes\\.(h|cc)|crypto/prim/.*)$"
  "bytes are cast in stack/base/bytes.h alone")
ban("[^_a-zA-Z](memcmp|bcmp)\\(" "^crypto/" ${none}
  "digests and keys are compared in constant time")
ban("[^_a-zA-Z](htons|htonl|ntohs|ntohl)\\(" ${all} "^(gateway/io|tests)/"
  "Load16 and Store16 know the byte order")
ban("^using namespace" ${all} "^tests/" "no using-directive for a whole file")
# Habits.
ban_word("TODO|FIXME|XXX|HACK" ${all} ${none} "finish it, or open an issue")
ban("^#if (0|1)" ${all} ${none} "no dead code")
ban("namespace [a-z:]*(util|utils|common|helpers?|misc)[ {]" ${all} ${none} "a name that says nothing")
verdict("banned words")
