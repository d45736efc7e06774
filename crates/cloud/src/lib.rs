//! Google Cloud in the nouns of quill-admin: jobs, executions, logs.
