/*
 * The table of error codes: X(code, class, what it means, likely cause, what to do).
 * `oms explain CODE` and docs/reference/errors.md come from it. Append freely; keep groups
 * together.
 */
#ifndef OMS_COMMON_BASE_ERR_TABLE_H
#define OMS_COMMON_BASE_ERR_TABLE_H

#define ERR_TABLE(X)                                                                               \
    /* general */                                                                                  \
    X(INVALID, STOP, "a value that was given cannot be used", "a typo or a value out of range",    \
      "correct the value that the message names")                                                  \
    X(NOT_FOUND, STOP, "the named thing does not exist", "a misspelt name, or it was removed",     \
      "list what exists and use one of those names")                                               \
    X(EXISTS, STOP, "a thing of that name exists already", "it was created before",                \
      "choose another name, or remove the old one")                                                \
    X(STATE, STOP, "the operation does not fit the present state",                                 \
      "it was asked for too early, too late or twice", "look at the state and do what it allows")  \
    X(LIMIT, STOP, "something is larger than a limit allows", "unusual input, or a limit set low", \
      "raise the limit that the message names, or make the input smaller")                         \
    X(CORRUPT, STOP, "bytes do not have the form they must have",                                  \
      "damage on disk or on the way, or another version",                                          \
      "see the file and offset in the message")                                                    \
    X(SYSTEM, RETRY, "the operating system refused an operation", "see the reason in the message", \
      "remove the reason; the work is tried again")                                                \
    X(NO_SPACE, RETRY, "no space is left on the device", "the disk is full",                       \
      "make room; the work goes on by itself")                                                     \
    X(TIMEOUT, RETRY, "something did not answer in time", "overload, or the network",              \
      "nothing; it is tried again")                                                                \
    X(CANCELLED, RETRY, "the work was told to stop", "a stop was asked for", "nothing")            \
    X(UNAVAILABLE, RETRY, "a service cannot be reached now", "it is down, or the network is",      \
      "start it, or wait; it is tried again")                                                      \
    X(DENIED, STOP, "permission is missing", "a wrong token or missing rights",                    \
      "give the rights that the message names")                                                    \
    X(UNSUPPORTED, STOP, "this is not supported yet", "a feature outside what is built",           \
      "see docs for what is supported; leave the object out")                                      \
    X(BUG, BUG, "a program's own assumption failed", "a defect", "keep the logs and report it")    \
    /* fencing */                                                                                  \
    X(FENCED, FENCE, "another writer took over this task", "the task was started elsewhere",       \
      "nothing; this process must not write any more")                                             \
    X(REFUSED, FENCE, "the target refuses this epoch, or the task is sealed",                      \
      "a newer epoch exists, or the project was released", "nothing; a released task stays shut")

#endif
