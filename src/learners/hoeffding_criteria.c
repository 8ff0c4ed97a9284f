/* How good a split of classes is: what it takes off the impurity of a leaf, or
   how far apart it sends the classes. */
#include <math.h>

#include "hoeffding.h"

static double sum_of(const double *x, size_t n) {
  double sum = 0;
  for (size_t i = 0; i < n; i++) sum += x[i];
  return sum;
}

/* Σ w log₂(w / total): the entropy times −total. */
static double log_sum(const double *w, size_t n) {
  double total = sum_of(w, n), sum = total > 0 ? -total * log2(total) : 0;
  for (size_t i = 0; i < n; i++) sum += w[i] > 0 ? w[i] * log2(w[i]) : 0;
  return sum;
}

/* The same of both sides together. */
static double log_sum_of_both(const double *a, const double *b, size_t n) {
  double total = sum_of(a, n) + sum_of(b, n);
  double sum = total > 0 ? -total * log2(total) : 0;
  for (size_t i = 0; i < n; i++) {
    double w = a[i] + b[i];
    sum += w > 0 ? w * log2(w) : 0;
  }
  return sum;
}

static double gain_information(const double *left, const double *right,
                               size_t n) {
  double gain =
      log_sum(left, n) + log_sum(right, n) - log_sum_of_both(left, right, n);
  return gain / (sum_of(left, n) + sum_of(right, n));
}

static double range_of_information(size_t classes) {
  return log2((double)classes);
}

/* Σ w² / total of a side: what its Gini impurity falls short of its weight. */
static double square_sum(const double *a, const double *b, size_t n) {
  double total = sum_of(a, n) + (b != NULL ? sum_of(b, n) : 0), sum = 0;
  for (size_t i = 0; i < n && total > 0; i++) {
    double w = a[i] + (b != NULL ? b[i] : 0);
    sum += w * (w / total);
  }
  return sum;
}

static double gain_purity(const double *left, const double *right, size_t n) {
  double gain = square_sum(left, NULL, n) + square_sum(right, NULL, n) -
                square_sum(left, right, n);
  return gain / (sum_of(left, n) + sum_of(right, n));
}

static double range_of_purity(size_t classes) {
  (void)classes;
  return 1;
}

/* Hellinger's distance between where a class goes and where the others go, of
   the class for which it is largest: says nothing of how frequent classes are
   (Cieslak & Chawla 2008, doi 10.1007/978-3-540-87479-9_34). */
static double distance(const double *left, const double *right, size_t n) {
  double all_left = sum_of(left, n), all_right = sum_of(right, n), most = 0;
  for (size_t i = 0; i < n; i++) {
    double own = left[i] + right[i], rest = all_left + all_right - own;
    if (own <= 0 || rest <= 0) continue;
    double to_left =
        sqrt(left[i] / own) - sqrt(fmax(all_left - left[i], 0) / rest);
    double to_right =
        sqrt(right[i] / own) - sqrt(fmax(all_right - right[i], 0) / rest);
    most = fmax(most, sqrt(to_left * to_left + to_right * to_right));
  }
  return most;
}

static double range_of_distance(size_t classes) {
  (void)classes;
  return sqrt(2);
}

const moe_hoeffding_criterion moe_hoeffding_criteria[] = {
    {gain_information, range_of_information},
    {gain_purity, range_of_purity},
    {distance, range_of_distance}};

const char *const moe_hoeffding_criterion_names[] = {"info_gain", "gini",
                                                     "hellinger", NULL};
