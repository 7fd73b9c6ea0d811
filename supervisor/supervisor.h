/*
 * oms-supervisor: one per host. Starts, watches, restarts and stops components; reports; obeys.
 */
#ifndef OMS_SUPERVISOR_SUPERVISOR_H
#define OMS_SUPERVISOR_SUPERVISOR_H

/* The whole program; gives its exit code. */
int supervisor_main(int argc, char **argv);

#endif
