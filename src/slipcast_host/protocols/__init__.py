"""Protocols of the serving stacks: each reads rows from its own form and answers, and refuses, in its own form."""
