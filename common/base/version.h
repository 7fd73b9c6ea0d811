/* The version that all programs of one build have. */
#ifndef OMS_COMMON_BASE_VERSION_H
#define OMS_COMMON_BASE_VERSION_H

#define OMS_VERSION "0.1"

#endif
