#include "task/state/doing.h"

__thread struct doing doing_now __attribute__((tls_model("initial-exec")));
