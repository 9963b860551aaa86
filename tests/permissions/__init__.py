"""Who may do what: the policies of template.yaml, what they decide, and what the code asks of AWS."""
