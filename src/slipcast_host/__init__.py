"""Host of one released model for any platform: HTTP by the standard library, in the protocols of six serving stacks."""
