/* Descent through the trees of slipcast.model.artifact, as slipcast.model.evaluators does it in Python.

   Freestanding: no header, no library. layers/build compiles it once for each architecture; slipcast.model.native loads
   it. Sums are made in the order of the trees, in double precision: the result is the same to the last bit. */

typedef int int32;

#define BLOCK 64

/* For each of n_rows rows the sum over the trees of the value of the leaf that it falls into.

   roots         node of each tree's root
   feature       for each node the column that it splits by, -1 at a leaf
   number        threshold, or value at a leaf
   right         right child, counted from the tree's root; the left child is the next node
   missing_left  1 where a missing value goes left
   single        whether values are rounded to single precision first
   leaves        null, or for each row and tree the node of the leaf */
void slipcast_trees(const int32 *roots, int32 n_trees, const int32 *feature, const double *number, const int32 *right,
                    const unsigned char *missing_left, int32 single, const double *rows, int32 n_rows, int32 width,
                    double *sums, int32 *leaves)
{
    for (int32 i = 0; i < n_rows; i++)
        sums[i] = 0.0;
    /* A tree fits into the processor's first cache, all trees do not: each is asked for some rows at once. */
    for (int32 from = 0; from < n_rows; from += BLOCK) {
        int32 to = n_rows - from < BLOCK ? n_rows : from + BLOCK;
        for (int32 tree = 0; tree < n_trees; tree++) {
            int32 root = roots[tree];
            for (int32 i = from; i < to; i++) {
                const double *row = rows + (long)i * width;
                int32 node = root, column;
                while ((column = feature[node]) >= 0) {
                    double value = single ? (double)(float)row[column] : row[column];
                    int32 left = value <= number[node] || (value != value && missing_left[node]);
                    node = left ? node + 1 : root + right[node];
                }
                sums[i] += number[node];
                if (leaves)
                    leaves[(long)i * n_trees + tree] = node;
            }
        }
    }
}

/* The number of columns that the trees split by; -1 where a tree names a node or a column that it cannot have, so that
   a descent would leave its arrays. n_nodes is the number of nodes of all trees. */
int32 slipcast_columns(const int32 *roots, int32 n_trees, int32 n_nodes, const int32 *feature, const int32 *right)
{
    int32 columns = 0;
    for (int32 tree = 0; tree < n_trees; tree++) {
        int32 root = roots[tree], length = (tree + 1 < n_trees ? roots[tree + 1] : n_nodes) - root;
        if (length < 1)
            return -1;
        for (int32 node = 0; node < length; node++) {
            if (feature[root + node] < 0)
                continue;
            /* Children come after their parent: no descent goes on for ever. */
            if (right[root + node] <= node + 1 || right[root + node] >= length)
                return -1;
            if (feature[root + node] >= columns)
                columns = feature[root + node] + 1;
        }
    }
    return columns;
}
