/* All of libmoe, for a program that embeds it:

     #include <moe/moe.h>                 cc … $(pkg-config --cflags --libs moe)

   spec/engine/embed.c is such a program: it reads a table, trains a mixture,
   asks it, saves it and loads it again.  What to know before:

   - A moe_call is handed to everything that can fail: it holds the error, the
     number of threads allowed, scratch memory, and what the host offers (a
     deadline, cancelling, progress).  One call serves one thread at a time.
     Functions return MOE_OK or another status, whose message is in
     call.error.text; nothing is printed, nothing ends the process.
   - Learners, gates and transforms are made by name: moe_catalog_find gives the
     type, moe_object_new an object, moe_object_set its parameters, which a map
     of values names as a Lua table would (docs/experts.md lists them).  Objects
     are counted: moe_object_retain, moe_object_release.
   - Data is seen through moe_rows, a view of floats, doubles, a table or a
     sparse matrix, and moe_target; both are borrowed and never changed.
   - moe_learner_fit trains; moe_job_begin, …_step and …_commit do the same in
     small steps.  moe_learner_predict answers, also many threads at once.
   - Sparse layers of networks (layer.h) are saved by Lua with layer:save and
     loaded with moe_layer_load; moe_layer_forward and moe_layer_backward run
     them on arrays of floats.
   - Counting begins at 0; what Lua counts from 1 is shifted in the binding.

   Names that begin with moe_ are public; moe__ is for libmoe's own files. */
#ifndef MOE_MOE_H
#define MOE_MOE_H

/* What everything is made with. */
#include "memory.h"
#include "object.h"
#include "random.h"
#include "status.h"
#include "threads.h"

/* Data: tensors, sparse matrices, tables, and rows of any of them. */
#include "csv.h"
#include "gemm.h"
#include "kernels.h"
#include "makers.h"
#include "rows.h"
#include "sparse.h"
#include "split.h"
#include "table.h"
#include "tensor.h"

/* What learns, by itself and together. */
#include "balance.h"
#include "catalog.h"
#include "dispatch.h"
#include "foreign.h"
#include "layer.h"
#include "learner.h"
#include "mixture.h"
#include "model_file.h"
#include "route.h"
#include "transform.h"

#endif
