"""Who may do what: IAM policy documents, and the roles that they are attached to."""
