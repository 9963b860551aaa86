"""Functions of template.yaml in an execution environment like Lambda's, without Docker.

See `environment` for what is as on AWS and what is not.
"""
