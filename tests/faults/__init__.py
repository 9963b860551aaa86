"""One thing goes wrong at each call that a function makes to AWS; afterwards the same event leads to the same end."""
