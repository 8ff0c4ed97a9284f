/* Decimal to double and back: every bit right, in no locale. */
#ifndef MOE_NUMBER_H
#define MOE_NUMBER_H

#include <stddef.h>

/* Reads [+-]digits[.digits][e[+-]digits] at the start of the text that ends
   before `end`; digits may be missing on one side of the point.  The double is
   the nearest, ties to even, as strtod's in the C locale.  Returns the end of
   the number; NULL where none begins (words such as inf, nan and hexadecimal
   are not numbers) or where it is beyond the range of a double. */
const char *moe_number_read(const char *text, const char *end, double *out);

/* Writes the shortest decimal that reads back as x, the nearest to x of these,
   and a zero byte; returns its length. */
enum { MOE_NUMBER_SIZE = 32 };
size_t moe_number_print(double x, char out[MOE_NUMBER_SIZE]);

#endif
