/* Selfpage: everything a task needs. (A test fixture is in selfpage/testing.h.) */
#ifndef SELFPAGE_SELFPAGE_H
#define SELFPAGE_SELFPAGE_H

#include <selfpage/container.h>
#include <selfpage/contract.h>
#include <selfpage/error.h>
#include <selfpage/file.h>
#include <selfpage/l4.h>
#include <selfpage/page_list.h>
#include <selfpage/policy.h>
#include <selfpage/stats.h>
#include <selfpage/task.h>

#endif
